/**
 * A TCP relay between the load's clients and the edge that counts what the edge's sockets carry, to the byte:
 * under TLS, autocannon's own sockets show plain text only. End of stream and reset pass on as such, with one
 * exception: once a client has ended its side in order, the edge's side is read to its end even if the client is gone.
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  /** Connections opened to the edge, and closed. */
  opened = 0;
  closed = 0;
  /** Bytes sent to the edge and received from it, on closed connections. */
  sent = 0;
  received = 0;
  /** Connections that ended with a reset: their last bytes may be lost in either direction. */
  resets = 0;
  readonly #target: number;
  readonly #server: Server;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#relay(client));
  }

  /** Listens on a free loopback port, for connections to `target` on loopback. */
  static async open(target: number): Promise<Relay> {
    const relay = new Relay(target);
    await once(relay.#server.listen(0, '127.0.0.1'), 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await once(this.#server.close(), 'close');
  }

  #relay(client: Socket): void {
    const edge = connect({ host: '127.0.0.1', port: this.#target, allowHalfOpen: true, noDelay: true });
    this.opened++;
    forward(client, edge);
    forward(edge, client);
    client.on('error', () => {
      if (client.readableEnded) return;
      this.resets++;
      edge.resetAndDestroy();
    });
    edge.on('error', () => {
      this.resets++;
      client.resetAndDestroy();
    });
    edge.on('close', () => {
      this.closed++;
      this.sent += edge.bytesWritten;
      this.received += edge.bytesRead;
      client.destroySoon();
    });
    client.on('close', () => edge.resume());
  }
}

function forward(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (to.writable && !to.write(chunk)) from.pause();
  });
  from.on('end', () => to.end());
  to.on('drain', () => from.resume());
}
