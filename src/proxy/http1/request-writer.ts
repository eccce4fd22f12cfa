import { performance } from 'node:perf_hooks';
import { lower } from '../../text/ascii.ts';
import { flat } from '../flat.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Route } from '../routing/route.ts';
import { oldViaLine, via, viaLine } from '../routing/route.ts';
import { Id, type RequestHead } from './head.ts';
import { authorityOf } from './target.ts';

/** Who asks, as the instance is told: the part of a request's head that is the same for all of a connection. */
export interface Forwarding {
  readonly route: Route;
  readonly about: About;
  /** Lines from `Fly-Client-IP` to `X-Forwarded-For`, and the name of the last one, `Fly-Request-Id: `. */
  readonly fields: string;
}

interface About {
  /** Of the connection, or of the proxy in front of us. */
  readonly peer: string;
  readonly clientIp: string;
  readonly proto: string;
  readonly port: string;
  readonly ssl: string;
  /** What the proxy in front of us sent, each address followed by `, `. */
  readonly forwardedFor: string;
}

export function forwardingFor(connection: ClientConnection, route: Route, region: string): Forwarding {
  const { address } = connection.client;
  const secure = connection.socket !== connection.tcp;
  const about = {
    peer: address,
    clientIp: address,
    proto: secure ? 'https' : 'http',
    port: String(route.port.publicPort),
    ssl: secure ? 'on' : 'off',
    forwardedFor: '',
  };
  return { route, about, fields: flat(fieldsOf(about, route, region)) };
}

function fieldsOf(about: About, route: Route, region: string): string {
  return (
    `Fly-Client-IP: ${about.clientIp}\r\nFly-Forwarded-Port: ${route.port.publicPort}\r\nFly-Region: ${region}\r\n` +
    `X-Forwarded-Proto: ${about.proto}\r\nX-Forwarded-Port: ${about.port}\r\nX-Forwarded-Ssl: ${about.ssl}\r\n` +
    `Via: ${via}\r\nX-Forwarded-For: ${about.forwardedFor}${about.peer}\r\nFly-Request-Id: `
  );
}

/** Whether a field goes on to the instance as it came; hop-by-hop fields do not (RFC 9110 7.6.1). */
const passes = new Uint8Array(32).fill(1);
for (const id of [
  Id.connection,
  Id.keepAlive,
  Id.proxyConnection,
  Id.te,
  Id.upgrade,
  Id.fly,
  Id.flyClientIp,
  Id.xForwardedFor,
  Id.xForwardedProto,
  Id.xForwardedPort,
  Id.xForwardedSsl,
  Id.xRequestStart,
]) {
  passes[id] = 0;
}

function value(head: RequestHead, field: number): string {
  return head.text.slice(head.bounds[4 * field + 2], head.bounds[4 * field + 3]);
}

/** The one value of a field, null when it is absent or repeated. */
export function single(head: RequestHead, id: number): string | null {
  let found: string | null = null;
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] !== id) continue;
    if (found !== null) return null;
    found = value(head, i);
  }
  return found;
}

function joined(head: RequestHead, id: number): string {
  let all = '';
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] === id) all += `${value(head, i)}, `;
  }
  return all;
}

/** Drops what `Connection` names too; false when the field goes on. */
function named(head: RequestHead, field: number): boolean {
  const name = lower(head.text.slice(head.bounds[4 * field], head.bounds[4 * field + 1]));
  return head.connectionOptions!.includes(name);
}

/**
 * The head as the instance gets it: fields in the client's order and bytes, then ours.
 * @param startedAt milliseconds of `performance.now()`. @param close one request on this connection only.
 */
export function writeRequestHead(
  head: RequestHead,
  forwarding: Forwarding,
  trusted: boolean,
  region: string,
  id: string,
  startedAt: number,
  close: boolean,
): string {
  const { text, ids, bounds, count } = head;
  const options = head.connectionOptions;
  let out = '';
  // Runs of fields that pass are copied as one slice, with the request line where it can stay as it came.
  let run = -1;
  if (head.minor === 1 && count > 0 && head.pathStart === head.method.length + 1 && head.pathEnd === bounds[0]! - 11) {
    run = 0;
  } else {
    out = `${head.method} ${text.slice(head.pathStart, head.pathEnd)} HTTP/1.1\r\n`;
    // What 1.0 may lack, 1.1 must have, even if it says nothing (RFC 9110 7.2).
    if (head.minor === 0 && !ids.subarray(0, count).includes(Id.host)) out += `Host: ${authorityOf(head.target)}\r\n`;
  }
  const anew = head.respelled || head.maxForwards > 0 || head.minor === 0 ? writtenAnew(head) : 0;
  let forwarded = false;
  for (let i = 0; i < count; i++) {
    const fieldId = ids[i];
    if (passes[fieldId] === 1 && (anew & (1 << fieldId)) === 0 && (options === null || !named(head, i))) {
      if (run < 0) run = bounds[4 * i];
      continue;
    }
    if (fieldId === Id.xForwardedFor || fieldId === Id.flyClientIp) forwarded = true;
    else if (fieldId >= Id.xForwardedProto && fieldId <= Id.xForwardedSsl) forwarded = true;
    if (run >= 0) {
      out += text.slice(run, bounds[4 * i]);
      run = -1;
    }
  }
  if (run >= 0) out += text.slice(run, headEnd(head));
  if (head.respelled) out += 'Transfer-Encoding: chunked\r\n';
  if (head.maxForwards > 0) out += `Max-Forwards: ${head.maxForwards - 1}\r\n`;
  if (head.upgrade) out += `Connection: Upgrade\r\nUpgrade: ${joined(head, Id.upgrade).slice(0, -2)}\r\n`;
  else if (close) out += 'Connection: close\r\n';
  const fields = trusted && forwarded ? believed(head, forwarding, region) : forwarding.fields;
  out += head.minor === 1 ? fields : fields.replace(viaLine, oldViaLine);
  return out + id + requestStart(startedAt);
}

/** Bits of the ids whose fields do not go on as they came. */
function writtenAnew(head: RequestHead): number {
  const coding = head.respelled ? 1 << Id.transferEncoding : 0;
  const forwards = head.maxForwards > 0 ? 1 << Id.maxForwards : 0;
  // The expectation of a 1.0 client is none (RFC 9110 10.1.1), and our own 1.1 would make it one.
  return coding | forwards | (head.minor === 0 ? 1 << Id.expect : 0);
}

/** Unix milliseconds at 0 of `performance.now()`; follows the wall clock when that is set. */
let origin = performance.timeOrigin;
/** The line up to its milliseconds: most requests share it with others. */
let line = '';
let millisecond = -1;
let second = -1;
/** Microseconds, and the head's end. */
const ends = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(3, '0')}\r\n\r\n`);

/** The end of the line before, `X-Request-Start` in Unix microseconds, and the end of the head. @param at milliseconds of `performance.now()`. */
function requestStart(at: number): string {
  const microseconds = Math.round((origin + at) * 1000);
  const whole = Math.floor(microseconds / 1000);
  if (whole !== millisecond) {
    millisecond = whole;
    line = flat(`\r\nX-Request-Start: t=${whole}`);
    const ofSecond = Math.floor(whole / 1000);
    if (ofSecond !== second) {
      second = ofSecond;
      const now = Date.now() - performance.now();
      if (Math.abs(now - origin) > 10) origin = now;
    }
  }
  return line + ends[microseconds - whole * 1000]!;
}

/** Where the last field's line ends: before the empty line. */
function headEnd(head: RequestHead): number {
  // The value's end may be followed by blanks, so the line's own CRLF is looked for.
  return head.text.indexOf('\r\n', head.bounds[4 * head.count - 1]) + 2;
}

/** What a trusted proxy in front of us says about its client. */
function believed(head: RequestHead, { route, about }: Forwarding, region: string): string {
  const proto = single(head, Id.xForwardedProto) ?? about.proto;
  const theirs: About = {
    peer: about.peer,
    clientIp: believedIp(head) ?? about.clientIp,
    proto,
    port: single(head, Id.xForwardedPort) ?? about.port,
    ssl: single(head, Id.xForwardedSsl) ?? (proto === 'https' ? 'on' : 'off'),
    forwardedFor: joined(head, Id.xForwardedFor),
  };
  return fieldsOf(theirs, route, region);
}

/** `Fly-Client-IP`, else the first of `X-Forwarded-For`. */
function believedIp(head: RequestHead): string | null {
  const own = single(head, Id.flyClientIp);
  if (own !== null) return own;
  const list = joined(head, Id.xForwardedFor);
  return list === '' ? null : (list.split(',', 1)[0]?.trim() ?? null);
}
