import { decimal, lower, members, trimOws } from '../../base/ascii.ts';
import { readChain } from '../../base/forwarded-for.ts';
import { normalAddress } from '../../base/ip.ts';
import type { Context } from '../context.ts';
import { flat } from '../flat.ts';
import { isToken } from '../http/message/connection-options.ts';
import { Id } from '../http/message/names.ts';
import type { RequestHead } from '../http/message/request-head.ts';
import { hostEnd } from '../http/message/target.ts';
import { joined, single } from '../http/message/values.ts';
import type { Route } from '../routing/route.ts';
import { via } from '../routing/route.ts';
import type { ClientConnection } from '../transport/client-connection.ts';

/** Who asks, as the instance is told: the part of a request's head that is the same for many of a connection. */
export interface Forwarding {
  readonly route: Route;
  /** What the client's `Host` says. */
  readonly authority: string;
  readonly about: About;
  /** Lines from `Fly-Client-IP` to `X-Forwarded-For`, and the name of the last one, `Fly-Request-Id: `. */
  readonly fields: string;
}

interface About {
  /** Who speaks on the connection: the client, or a proxy in front of us. */
  readonly peer: string;
  readonly clientIp: string;
  readonly proto: string;
  readonly port: string;
  readonly ssl: string;
  /** '' when the client named none. */
  readonly host: string;
  /** What the proxy in front of us sent, each address followed by `, `. */
  readonly forwardedFor: string;
  /** `Forwarded` with our element at its end; '' when the app does not ask for it. */
  readonly forwarded: string;
}

export function forwardingFor(
  connection: ClientConnection,
  route: Route,
  region: string,
  authority: string,
): Forwarding {
  const { address } = connection.client;
  const secure = connection.socket !== connection.tcp;
  const proto = secure ? 'https' : 'http';
  const about = {
    peer: address,
    clientIp: address,
    proto,
    port: String(route.port.publicPort),
    ssl: secure ? 'on' : 'off',
    host: authority,
    forwardedFor: '',
    forwarded: route.port.httpOptions.forwarded ? forwardedElement(address, proto, authority) : '',
  };
  return { route, authority, about, fields: flat(fieldsOf(about, route, region)) };
}

function fieldsOf(about: About, route: Route, region: string): string {
  return (
    `Fly-Client-IP: ${about.clientIp}\r\nFly-Forwarded-Port: ${route.port.publicPort}\r\nFly-Region: ${region}\r\n` +
    `X-Forwarded-Proto: ${about.proto}\r\nX-Forwarded-Port: ${about.port}\r\nX-Forwarded-Ssl: ${about.ssl}\r\n` +
    (about.host === '' ? '' : `X-Forwarded-Host: ${about.host}\r\n`) +
    (about.forwarded === '' ? '' : `Forwarded: ${about.forwarded}\r\n`) +
    `Via: ${via}\r\nX-Forwarded-For: ${about.forwardedFor}${about.peer}\r\nFly-Request-Id: `
  );
}

// ---- what the message says ----

/** The last member: the word of the proxy next to us, whatever others said before it. '' for none. */
const last = (head: RequestHead, id: number): string =>
  members(joined(head, id)).findLast((member) => member !== '') ?? '';

// ---- what a trusted proxy in front of us says ----

/** What a trusted proxy says its client spoke; null when it says nothing that we know. */
export function believedProto(head: RequestHead): 'http' | 'https' | null {
  const proto = lower(last(head, Id.xForwardedProto));
  return proto === 'http' || proto === 'https' ? proto : null;
}

/** The lines of a request by a trusted proxy: its word goes before ours, as far as it is well formed. */
export function believed(head: RequestHead, forwarding: Forwarding, { region, trusted, flyClientIp }: Context): string {
  const { route, about } = forwarding;
  const proto = believedProto(head);
  const port = decimal(last(head, Id.xForwardedPort), 65_535);
  const ssl = lower(last(head, Id.xForwardedSsl));
  const host = last(head, Id.xForwardedHost);
  const chain = readChain(joined(head, Id.xForwardedFor), about.peer, trusted);
  const told = flyClientIp ? normalAddress(single(head, Id.flyClientIp) ?? '') : null;
  const theirs: About = {
    peer: about.peer,
    clientIp: told ?? chain.client,
    proto: proto ?? about.proto,
    port: port > 0 ? String(port) : about.port,
    ssl: ssl === 'on' || ssl === 'off' ? ssl : proto === null ? about.ssl : proto === 'https' ? 'on' : 'off',
    host: hostEnd(host, 0, host.length) < 0 ? about.host : host,
    forwardedFor: chain.forwardedFor,
    forwarded: about.forwarded === '' ? '' : theirForwarded(head) + about.forwarded,
  };
  return fieldsOf(theirs, route, region);
}

// ---- RFC 7239 ----

const quoted = (text: string): string => (isToken(text) ? text : `"${text}"`);

function forwardedElement(address: string, proto: string, host: string): string {
  const node = address.includes(':') ? `"[${address}]"` : address;
  return `for=${node};proto=${proto}${host === '' ? '' : `;host=${quoted(host)}`}`;
}

/** What a trusted proxy sent, for our element to follow. A quote that is never closed would swallow it. */
function theirForwarded(head: RequestHead): string {
  const list = joined(head, Id.forwarded);
  return /^(?:[^"\\]|"(?:[^"\\]|\\.)*")*$/.test(list) && trimOws(list) !== '' ? list : '';
}
