/** A TLS client whose records a test can see, hold back and forge, in both directions. */

import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { RawSocket, rawClient } from './raw.ts';
import { until } from './until.ts';

export interface Wire {
  /** What TLS carries. */
  client: RawSocket;
  tls: TLSSocket;
  /** The TCP connection below: writes to it are bytes on the wire. Its `text` has nothing. */
  tcp: RawSocket;
  /** Gives the client bytes as if the edge had sent them. */
  deceive(bytes: Uint8Array): void;
}

/** @param begin what is spoken before TLS. */
export async function wireTo(
  port: number,
  options: ConnectionOptions,
  begin: (tcp: RawSocket) => Promise<void> = async () => {},
): Promise<Wire> {
  const tcp = await rawClient(port);
  await begin(tcp);
  const duplex = new Duplex({
    read() {},
    write: (bytes: Buffer, _encoding, done) => void tcp.socket.write(bytes, () => done()),
    // The test ends the TCP connection itself.
    final: (done) => done(),
  });
  tcp.socket.removeAllListeners('data');
  tcp.socket.on('data', (bytes: Buffer) => void (duplex.destroyed || duplex.push(bytes)));
  const tls = connectTls({ socket: duplex, rejectUnauthorized: false, ...options });
  // A client learns that it failed from its socket; what counts here is what the edge did.
  tls.on('error', () => {});
  await once(tls, 'secureConnect');
  return { client: new RawSocket(tls), tls, tcp, deceive: (bytes) => void duplex.push(bytes) };
}

/** Waits until the edge has closed the connection, and closes it from here. */
export async function closedByEdge({ tcp }: Wire): Promise<void> {
  await until(() => tcp.ended !== 'no', 'the edge to close the connection');
  tcp.destroy();
}
