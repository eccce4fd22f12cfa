import { type EdgeError, errors } from '../errors.ts';
import type { ClientConnection, Protocol } from '../transport/client-connection.ts';
import { clock } from '../transport/clock.ts';
import type { UpstreamConnection, UpstreamEvents } from '../upstream/connection.ts';

/**
 * Bytes both ways between a client and an instance: raw TCP, TLS, and whatever an Upgrade agreed on. Each side's
 * FIN passes on and leaves the other direction open; a slow reader stops its writer.
 */
export class Tunnel implements Protocol, UpstreamEvents {
  readonly #client: ClientConnection;
  readonly #upstream: UpstreamConnection;
  readonly #idleTimeout: number;
  readonly #ended: (error: EdgeError | null) => void;
  #clientClosed = false;
  #upstreamClosed = false;
  #error: EdgeError | null = null;
  bytesIn = 0;
  bytesOut = 0;
  /** The instance reset it without a word. */
  refused = false;

  /** @param ended called once, when both sides have closed. */
  constructor(
    client: ClientConnection,
    upstream: UpstreamConnection,
    idleTimeout: number,
    ended: (error: EdgeError | null) => void,
  ) {
    this.#client = client;
    this.#upstream = upstream;
    this.#idleTimeout = idleTimeout;
    this.#ended = ended;
    client.protocol = this;
    client.isTunnel = true;
    client.deadline = clock.now + idleTimeout;
    upstream.use(this);
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    this.bytesIn += end - start;
    this.#upstream.socket.sendBytes(buffer, start, end);
    return !this.#upstream.socket.stalled;
  }

  upstreamBytes(buffer: Buffer, start: number, end: number): boolean {
    this.bytesOut += end - start;
    this.#client.sendBytes(buffer, start, end);
    return !this.#client.stalled;
  }

  onEnd(): void {
    this.#upstream.socket.end();
  }

  upstreamEnded(): void {
    this.#client.socket.end();
  }

  onDrain(): void {
    this.#upstream.socket.resume();
  }

  upstreamDrained(): void {
    this.#client.resume();
  }

  onClose(error: Error | null): void {
    this.#clientClosed = true;
    if (!this.#upstreamClosed) {
      // What the instance got so far must not look complete.
      if (error !== null || this.#client.cut) this.#upstream.socket.resetAndDestroy();
      else if (!this.#upstream.socket.writableEnded || !this.#upstream.socket.readableEnded) {
        this.#upstream.socket.destroy();
      }
    }
    this.#settle();
  }

  upstreamClosed(error: EdgeError | null): void {
    this.#upstreamClosed = true;
    if (!this.#clientClosed) {
      this.refused = error !== null && this.bytesOut === 0;
      if (error !== null) this.#client.reset();
      else if (!this.#client.socket.writableEnded) this.#client.socket.end();
    }
    this.#settle();
  }

  expire(): void {
    const idleUntil = this.#client.movedAt + this.#idleTimeout;
    if (idleUntil > clock.now) {
      this.#client.deadline = idleUntil;
      return;
    }
    this.#error = errors.idleTimeout;
    this.cut();
  }

  upstreamConnected(): void {}
  upstreamExpired(): void {}
  /** A tunnel has its own, longer deadline: it goes on until its ends close it. */
  drain(): void {}

  /** Ends both sides at once. */
  cut(): void {
    this.#client.deadline = Number.POSITIVE_INFINITY;
    this.#client.reset();
    this.#upstream.socket.resetAndDestroy();
  }

  #settle(): void {
    if (this.#clientClosed && this.#upstreamClosed) this.#ended(this.#error);
  }
}
