import type { ClientConnection, Protocol } from './client-connection.ts';
import { clock } from './clock.ts';

/** How long a client may take to close after we have. */
const lingerTime = 5_000;

/**
 * The end of a connection that we close first. What the client still sends is read and dropped until its FIN:
 * a close with unread bytes would send RST, and the client could lose the answer (RFC 9112 9.6).
 */
export class Lingering implements Protocol {
  readonly #connection: ClientConnection;
  #sentAt: number;

  private constructor(connection: ClientConnection) {
    this.#connection = connection;
    this.#sentAt = connection.tcp.bytesOut;
  }

  static begin(connection: ClientConnection): void {
    if (connection.gone) return;
    connection.protocol = new Lingering(connection);
    connection.deadline = clock.now + lingerTime;
    connection.socket.end();
    connection.resume();
  }

  onBytes(): boolean {
    return true;
  }

  onEnd(): void {}
  onDrain(): void {}
  onClose(): void {}
  drain(): void {}

  /** A slow reader of a long answer gets more time as long as it reads. */
  expire(): void {
    const sent = this.#connection.tcp.bytesOut;
    if (this.#connection.unsent && sent > this.#sentAt) {
      this.#sentAt = sent;
      this.#connection.deadline = clock.now + lingerTime;
    } else {
      this.#connection.deadline = Number.POSITIVE_INFINITY;
      this.#connection.destroy();
    }
  }
}
