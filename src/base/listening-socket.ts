/**
 * A listening socket that the supervisor holds and its workers accept on.
 *
 * It uses Node's internals, `net._createServerHandle` and the TCP wrap it returns (see also `TcpSocket` and
 * `SecureSocket`), because the public API cannot do what a hand-over needs: a `net.Server` accepts in the process that listens, and when it is
 * sent to a child it is wrapped in another server. A bound wrap sent with `child.send()` is the same kernel socket in
 * every process: all of them share one accept queue, and since the supervisor never closes its own copy while
 * it serves, the death of a worker loses no connection that waits there. (SO_REUSEPORT would give each process a
 * queue of its own, lost when it closes.)
 */

import net from 'node:net';
import { holders } from './port-holder.ts';
import type { TcpHandle } from './tcp-handle.ts';

export interface ListeningSocket {
  /** `ListenerPlan.key`. */
  key: string;
  /** As bound: the port is never 0. */
  address: string;
  port: number;
  handle: TcpHandle;
}

type CreateServerHandle = (host: string, port: number, family: 4 | 6, fd: -1, flags: number) => TcpHandle | number;
const createServerHandle = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle;

/** UV_TCP_IPV6ONLY. */
const ipv6OnlyFlag = 1;

/**
 * Binds a TCP socket that does not accept yet.
 * @returns the socket, or why it cannot be had, as a sentence for the operator.
 */
export async function openListeningSocket(
  key: string,
  address: string,
  port: number,
  ipv6Only = false,
): Promise<ListeningSocket | { fault: string }> {
  // libuv tells a port in use only at listen(), which would already accept: ask with a server of our own first.
  const fault = await portFault(address, port);
  if (fault !== null) return { fault };
  const flags = ipv6Only && net.isIPv6(address) ? ipv6OnlyFlag : 0;
  const handle = createServerHandle(address, port, net.isIPv6(address) ? 6 : 4, -1, flags);
  if (typeof handle === 'number') return { fault: `${address}:${port} cannot be bound (error ${handle})` };
  const bound: { address?: string; port?: number } = {};
  const error = handle.getsockname(bound);
  if (error !== 0 || bound.port === undefined) {
    handle.close();
    return { fault: `${address}:${port} cannot be bound (error ${error})` };
  }
  return { key, address: bound.address ?? address, port: bound.port, handle };
}

/** Why nothing can listen there now, or null. */
export async function portFault(address: string, port: number): Promise<string | null> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(bindFault(address, port, error)));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** An error of bind() or listen() as a sentence for the operator. */
export function bindFault(address: string, port: number, error: NodeJS.ErrnoException): string {
  const where = net.isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another process${holders(port)}`;
    case 'EACCES':
      return `${where} needs the right to bind ports below 1024 (CAP_NET_BIND_SERVICE): write a higher one`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine`;
    default:
      return `${where} cannot be listened on: ${error.message}`;
  }
}
