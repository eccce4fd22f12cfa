import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { encodeProxyHeader } from '../base/proxy-protocol.ts';
import { addressOf } from '../config/address.ts';
import type { CheckPlan, UpstreamPlan } from '../config/plan.ts';

/** One try of a check: null when it passed, else why not, in a few words. */
export type Probe = (check: CheckPlan, upstream: UpstreamPlan) => Promise<string | null>;

/** What a try has open, and its end: the first result counts. */
interface Try {
  sockets: (Socket | ClientRequest)[];
  end(result: string | null): void;
}

/** Probes that go over the network. @param lookup of host names, as the traffic's. */
export const prober =
  (lookup: LookupFunction): Probe =>
  (check, upstream) =>
    new Promise((resolve) => {
      const { timeout } = check;
      const what = check.type === 'tcp' ? 'connection' : 'answer';
      const timer = setTimeout(() => attempt.end(`no ${what} within ${timeout} ms`), timeout);
      const attempt: Try = {
        sockets: [],
        end(result) {
          clearTimeout(timer);
          for (const socket of this.sockets) socket.destroy();
          resolve(result);
        },
      };
      const socket = dial(upstream, lookup);
      attempt.sockets.push(socket);
      socket.on('error', (error) => attempt.end(reason(error)));
      socket.once('connect', () => connected(socket, check, upstream, attempt));
    });

/** As the traffic's connections are made. */
const dial = ({ host, port, path }: UpstreamPlan, lookup: LookupFunction): Socket =>
  path === undefined ? connect({ host, port, lookup }) : connect({ path });

/** An instance that expects PROXY headers gets one, which says that the edge itself speaks. */
function connected(socket: Socket, check: CheckPlan, upstream: UpstreamPlan, attempt: Try): void {
  const header = check.proxyProto ? encodeProxyHeader(check.proxyProto, null, null) : null;
  if (check.type === 'tcp') {
    // Once it is with the kernel; an end without it would be an error in the instance's log.
    if (header === null) attempt.end(null);
    else socket.end(header, () => attempt.end(null));
    return;
  }
  const speak = () => void http(socket, check, upstream, attempt);
  if (header === null) speak();
  else socket.write(header, speak);
}

/** Passes on 2xx. A redirect is none: it says nothing of the instance. */
async function http(
  socket: Socket,
  check: CheckPlan & { type: 'http' },
  upstream: UpstreamPlan,
  attempt: Try,
): Promise<void> {
  // Only the worker that checks over HTTP has it.
  const { request } = await import('node:http');
  if (socket.destroyed) return;
  const { path, method } = check;
  try {
    // Its connection is its own: a kept one would not notice that the instance accepts no more.
    const asked = request({
      createConnection: () => (check.protocol === 'https' ? secured(socket, check, upstream) : socket),
      method,
      path,
      headers: {
        host: upstream.path === undefined ? addressOf(upstream) : 'localhost',
        ...Object.fromEntries(check.headers),
      },
    });
    attempt.sockets.push(asked);
    asked.on('response', ({ statusCode = 0 }: IncomingMessage) =>
      attempt.end(statusCode >= 200 && statusCode < 300 ? null : `status ${statusCode}`),
    );
    for (const switched of ['upgrade', 'connect']) {
      asked.on(switched, ({ statusCode }: IncomingMessage) => attempt.end(`status ${statusCode}`));
    }
    asked.on('error', (error) => attempt.end(reason(error)));
    asked.end();
  } catch (error) {
    attempt.end(reason(error));
  }
}

function secured(socket: Socket, check: CheckPlan & { type: 'http' }, { host, path }: UpstreamPlan): Socket {
  // A server name has no final dot, and is no address (RFC 6066 3).
  const name = check.tlsServerName ?? (path !== undefined || isIP(host) !== 0 ? '' : host.replace(/\.$/, ''));
  return connectTls({ socket, host, servername: name, rejectUnauthorized: !check.tlsSkipVerify });
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message;
