import type net from 'node:net';
import { performance } from 'node:perf_hooks';
import { unmapped } from '../../base/ip.ts';
import type { Endpoint } from '../../base/proxy-protocol.ts';
import type { TcpHandle } from '../../base/tcp-handle.ts';
import type { EdgeSeries } from '../series.ts';
import { clock } from './clock.ts';
import type { Timed } from './sweep.ts';
import { type SocketOwner, TcpSocket } from './tcp-socket.ts';

/** What is spoken on a client's connection at the moment: prelude, TLS handshake, HTTP, a tunnel, the end. */
export interface Protocol {
  /** See `SocketOwner.onBytes`. */
  onBytes(buffer: Buffer, start: number, end: number): boolean;
  onEnd(): void;
  onDrain(): void;
  onClose(error: Error | null): void;
  /** The connection's deadline passed. */
  expire(): void;
  /** The generation drains: leave when it can be done without a loss. */
  drain(): void;
  /** Once a second. */
  sampled?(): void;
}

/** Whose the connections of a worker are: it hears what concerns all of them. */
export interface ConnectionOwner {
  connectionClosed(connection: ClientConnection): void;
  /** Counts it for its app, and ends it when that has too many connections open: look at `gone` then. */
  connectionNamed(connection: ClientConnection, series: EdgeSeries): void;
  readonly unnamed: EdgeSeries;
}

/**
 * One accepted connection, from accept to close: its bytes, its app, its deadline. What happens on it is its
 * protocol's business. It is counted for an app once it is known which (`name`), with the bytes so far.
 */
export class ClientConnection implements SocketOwner, Timed {
  readonly tcp: TcpSocket;
  /** Bytes pass both ways: no request ends it, and a drain gives it longer. */
  isTunnel = false;
  /** `tcp`, or the TLS socket over it. */
  socket: net.Socket;
  readonly owner: ConnectionOwner;
  protocol: Protocol;
  /** Milliseconds of `performance.now()`. */
  readonly acceptedAt: number = performance.now();
  /** The client, as the trusted PROXY header tells, else the peer. */
  client: Endpoint;
  /** Where the client connected to. */
  local: Endpoint | null = null;
  /** Who speaks is a trusted proxy: the peer, or whom its PROXY header names. */
  trusted = false;
  series: EdgeSeries | null = null;
  deadline = Number.POSITIVE_INFINITY;
  place = -1;
  closed = false;
  /** It was ended with RST from this side. */
  cut = false;
  /** `destroy` was called; `closed` follows in a later turn. */
  #left = false;
  /** FIN came: nothing is read any more. */
  #ended = false;
  /** When bytes were last seen to move in either direction, to the second. */
  movedAt = clock.now;
  /** Nothing is read before the first `resume`. */
  paused = true;
  /** Reading was stopped at some time since the last sample. */
  held = true;
  #countedIn = 0;
  #countedOut = 0;
  #seenIn = 0;
  #seenOut = 0;

  constructor(handle: TcpHandle, client: Endpoint, owner: ConnectionOwner, protocol: Protocol) {
    this.tcp = new TcpSocket(handle);
    this.socket = this.tcp;
    this.client = client;
    this.owner = owner;
    this.protocol = protocol;
    this.tcp.owner = this;
    this.tcp.setNoDelay(true);
  }

  /** It has ended, or was ended in this very turn: nothing that came on it is acted on any more. */
  get gone(): boolean {
    return this.#left || this.tcp.handle === null;
  }

  /** The app of this connection is known. It stays the first one. */
  name(series: EdgeSeries): void {
    if (this.series !== null || this.closed) return;
    this.series = series;
    series.connected();
    this.#count();
    this.owner.connectionNamed(this, series);
  }

  /** Where the client connected to: what a PROXY header towards the instance names. */
  localEnd(): Endpoint {
    this.local ??= { address: unmapped(this.tcp.localAddress ?? '0.0.0.0'), port: this.tcp.localPort ?? 0 };
    return this.local;
  }

  /** Writes latin1 text. */
  send(text: string): void {
    if (this.socket === this.tcp) this.tcp.send(text);
    else this.socket.write(text, 'latin1');
  }

  /** Writes buffer[start,end), which may change after the call. */
  sendBytes(buffer: Buffer, start: number, end: number): void {
    if (this.socket === this.tcp) this.tcp.sendBytes(buffer, start, end);
    else this.socket.write(Buffer.from(buffer.subarray(start, end)));
  }

  /** The client reads slower than we write: wait for `onDrain`. */
  get stalled(): boolean {
    return this.socket === this.tcp ? this.tcp.stalled : this.socket.writableNeedDrain;
  }

  /** Something written has not reached the kernel. */
  get unsent(): boolean {
    return this.tcp.unsent || this.socket.writableLength > 0;
  }

  /** Reading goes on after `onBytes` said false. */
  resume(): void {
    if (!this.paused || this.gone) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Reading stops; for a protocol that hands over to another one in the middle. */
  pause(): void {
    this.paused = true;
    this.held = true;
    this.socket.pause();
  }

  destroy(): void {
    this.#left = true;
    this.socket.destroy();
  }

  /** RST: the client must not take what it has for complete. */
  reset(): void {
    if (this.closed || this.tcp.handle === null) return;
    this.cut = true;
    this.#left = true;
    this.tcp.resetAndDestroy();
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    if (this.gone) return false;
    const more = this.protocol.onBytes(buffer, start, end);
    if (!more) {
      this.paused = true;
      this.held = true;
    }
    return more;
  }

  onEnd(): void {
    this.#ended = true;
    this.protocol.onEnd();
  }

  onDrain(): void {
    this.protocol.onDrain();
  }

  onClose(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    if (this.series === null) {
      this.series = this.owner.unnamed;
      this.series.connected();
    }
    this.#count();
    this.series.disconnected();
    this.owner.connectionClosed(this);
    this.protocol.onClose(error);
  }

  expire(): void {
    // What moved since the last sample counts: a timeout may be shorter than the time between samples.
    this.#look();
    this.protocol.expire();
  }

  sample(): void {
    if (this.paused || this.#ended) this.tcp.probe();
    this.#look();
    if (!this.gone) this.protocol.sampled?.();
    this.held = this.paused;
  }

  #look(): void {
    const bytesIn = this.tcp.bytesIn;
    const bytesOut = this.tcp.bytesOut;
    if (bytesIn === this.#seenIn && bytesOut === this.#seenOut) return;
    this.#seenIn = bytesIn;
    this.#seenOut = bytesOut;
    this.movedAt = clock.now;
    if (this.series !== null) this.#count();
  }

  #count(): void {
    const bytesIn = this.tcp.bytesIn;
    const bytesOut = this.tcp.bytesOut;
    this.series!.moved(bytesIn - this.#countedIn, bytesOut - this.#countedOut);
    this.#countedIn = bytesIn;
    this.#countedOut = bytesOut;
  }
}
