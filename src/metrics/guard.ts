/**
 * What stands before each HTTP server of our own. They answer whoever reaches them, so a web page must not reach them through
 * a browser: not under a name of its own that it lets point here (DNS rebinding), and not by embedding what is answered.
 */

import { type IncomingMessage, type RequestListener, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import { normalHost } from '../base/authority.ts';

export interface GuardOptions {
  /** Names that it is asked by besides IP addresses, `localhost` and the machine's own, in normal form. Read for each request. */
  hosts: () => readonly string[];
  /** Where to write one more, as an operator knows the place. */
  key: string;
  /** How a refusal looks here. Plain text by default. */
  refuse?: (response: ServerResponse, status: number, text: string) => void;
}

const isolation: [string, string][] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
];
const isolationText = isolation.map(([name, value]) => `${name}: ${value}\r\n`).join('');

/** Node's own answers to what is no request; 400 to all else. */
const statusOf: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** A name that is shown is cut there. */
const longestShown = 100;

/** @param server made with `requireHostHeader: false`: that is seen to here. @param handler gets the requests that pass. */
export function guard(server: Server, { hosts, key, refuse = inText }: GuardOptions, handler: RequestListener): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  const guarded =
    (next: RequestListener): RequestListener =>
    (request, response) => {
      answering.set(request.socket, response);
      for (const [name, value] of isolation) response.setHeader(name, value);
      const authorities = authoritiesOf(request);
      const foreign = authorities?.find((authority) => !isOurs(authority, hosts()));
      if (authorities === null) refuse(response, 400, 'a request has one Host');
      else if (foreign === undefined) next(request, response);
      else refuse(response, 421, `${shown(foreign)} is no name of this server: if it should be, write it into ${key}`);
    };
  server.on('request', guarded(handler));
  server.on(
    'checkExpectation',
    guarded((_request, response) => refuse(response, 417, 'Expect is not understood')),
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = statusOf[error.code ?? ''] ?? 400;
    // Within an answer that has begun it would be taken for a part of it.
    const response = answering.get(socket);
    const begun = response?.headersSent === true && !response.writableFinished;
    if (socket.writable && !begun)
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${isolationText}\r\n`);
    socket.destroy(error);
  });
}

/** The names that a request says it is for; null when it does not say one. HTTP/1.0 need not: no browser speaks it. */
function authoritiesOf({ url = '', headersDistinct, httpVersion }: IncomingMessage): string[] | null {
  const { host = [] } = headersDistinct;
  if (host.length > 1 || (host.length === 0 && httpVersion !== '1.0')) return null;
  // RFC 9112 3.2.2: what the target says counts.
  const absolute = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(url);
  return absolute === null ? host : [...host, absolute[1]!];
}

function isOurs(authority: string, hosts: readonly string[]): boolean {
  const parts = /^(\[[^\]]*\]|[^:]*)(?::[0-9]{0,5})?$/.exec(authority);
  const host = parts === null ? null : normalHost(parts[1]!);
  if (host === null) return false;
  // A browser sends an address only where no name was looked up.
  if (host.startsWith('[') || isIPv4(host) || host === 'localhost') return true;
  return hosts.includes(host) || host === normalHost(hostname());
}

const shown = (name: string): string => JSON.stringify(name.slice(0, longestShown));

function inText(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    // What the client still sends is not read.
    ...(!response.req.complete && { Connection: 'close' }),
  });
  response.end(body);
}
