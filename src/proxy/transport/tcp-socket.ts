import net from 'node:net';
import type { TcpHandle, WriteRequest } from '../../base/tcp-handle.ts';
import { keepForBatch } from './write-batch.ts';

/** What a socket reports to. One object a connection, so that no listener is a closure. */
export interface SocketOwner {
  /** Bytes of a read; valid only during the call. false: stop reading until `resume`. */
  onBytes(buffer: Buffer, start: number, end: number): boolean;
  /** The peer sent FIN. */
  onEnd(): void;
  /** Everything written so far was taken. */
  onDrain(): void;
  /** The socket is gone; the error, if one was the reason. */
  onClose(error: Error | null): void;
}

/**
 * All plain sockets of a worker read into this one buffer: whoever is called has to use or copy the bytes
 * before returning. It saves a 64 KiB slab for each read (docs/data-path.md).
 */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** What is written passes through this one, which is replaced when the kernel did not take it all at once. */
let outgoing = Buffer.allocUnsafeSlow(shared.length);

const nothing = Buffer.alloc(0);

/** Characters that a socket keeps for the end of a turn, at most: a client may pipeline without end. */
const mostKept = 16 * 1024;

/** Writing without a request object needs Node 26.10; older ones go through the stream (docs/data-path.md). */
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
const direct = major > 26 || (major === 26 && minor >= 10);

function deliver(this: unknown, length: number, buffer: Uint8Array): boolean {
  return (this as TcpSocket).owner.onBytes(buffer as Buffer, 0, length);
}

const onread = { buffer: shared, callback: deliver as (length: number, buffer: Uint8Array) => boolean };

function onConnect(this: TcpSocket): void {
  this.handle = this.tcpHandle;
}
function onEnd(this: TcpSocket): void {
  this.owner.onEnd();
}
function onDrain(this: TcpSocket): void {
  if (!this.stalled) this.owner.onDrain();
}
function onError(this: TcpSocket, error: Error): void {
  this.failure = error;
}
function onClose(this: TcpSocket): void {
  this.owner.onClose(this.failure);
}

const nobody: SocketOwner = {
  onBytes: () => true,
  onEnd() {},
  onDrain() {},
  onClose() {},
};

/** A TCP socket, accepted or to be connected, that writes cheaply and keeps exact byte counts to its very end. */
export class TcpSocket extends net.Socket {
  owner: SocketOwner = nobody;
  failure: Error | null = null;
  /**
   * After a write that failed it is read to its end: what the peer said before it closed may still be in the kernel's
   * receive buffer. What is written meanwhile goes nowhere.
   */
  readsOn = false;
  #deaf = false;
  /** While it is connected; null before and after. */
  handle: TcpHandle | null;
  /** Payload bytes that the kernel delivered and accepted, as of the end. */
  #finalIn = 0;
  #finalOut = 0;
  /** Direct writes that the kernel has not taken whole yet. */
  #pending = 0;
  /** Text for the end of the turn. */
  #kept = '';
  /** Something went through the stream and may still be queued in it. */
  #streamed = false;
  #ending = false;
  /** FIN waits for direct writes, which the stream does not know of. */
  #finish: ((error?: Error | null) => void) | null = null;
  /** FIN is on its way through libuv, which resets nothing meanwhile (and Node then forgets the handle): RST follows it. */
  #shutting = false;
  #resets = false;

  constructor(accepted: TcpHandle | null) {
    super({ handle: accepted, onread, allowHalfOpen: true, manualStart: true } as object);
    this.handle = accepted;
    if (accepted === null) this.on('connect', onConnect);
    this.on('end', onEnd);
    this.on('drain', onDrain);
    this.on('error', onError);
    this.on('close', onClose);
  }

  get tcpHandle(): TcpHandle | null {
    return (this as unknown as { _handle: TcpHandle | null })._handle;
  }

  /** Bytes that the kernel delivered so far. */
  get bytesIn(): number {
    return this.handle?.bytesRead ?? this.#finalIn;
  }

  /** Bytes that the kernel accepted so far. */
  get bytesOut(): number {
    return this.handle === null ? this.#finalOut : this.handle.bytesWritten - this.handle.writeQueueSize;
  }

  /** The peer reads slower than we write: wait for `onDrain`. */
  get stalled(): boolean {
    return !this.#deaf && (this.#pending > 0 || (this.#streamed && this.writableNeedDrain));
  }

  /** Something written has not reached the kernel. */
  get unsent(): boolean {
    return this.#kept !== '' || this.#pending > 0 || (this.#streamed && this.writableLength > 0);
  }

  /**
   * Writes latin1 text, at the end of the turn at the latest: straight to the handle while nothing is queued, which saves what
   * streams do for a write.
   */
  send(text: string): void {
    if (this.#kept !== '') {
      this.#kept += text;
      if (this.#kept.length > mostKept) this.flush();
    } else if (!this.#mayWrite()) this.#stream(text);
    else if (keepForBatch(this)) this.#kept = text;
    else this.#written(this.handle!.writeLatin1String(null, text), null);
  }

  /** Writes what was kept for the end of the turn. */
  flush(): void {
    if (this.#kept === '') return;
    const text = this.#kept;
    this.#kept = '';
    this.#written(this.handle!.writeLatin1String(null, text), null);
  }

  /** Writes bytes that belong to somebody else: buffer[start,end) may change after the call. */
  sendBytes(buffer: Buffer, start: number, end: number): void {
    this.flush();
    const length = end - start;
    if (!this.#mayWrite() || length > outgoing.length) {
      this.#stream(Buffer.from(buffer.subarray(start, end)));
      return;
    }
    const bytes = outgoing.subarray(0, length);
    buffer.copy(bytes, 0, start, end);
    if (this.#written(this.handle!.writeBuffer(null, bytes), outgoing)) return;
    outgoing = Buffer.allocUnsafeSlow(shared.length);
  }

  /** Whether the peer has sent RST: who does not read learns it from a write only, be it one of nothing. */
  probe(): void {
    if (this.#mayWrite() && this.handle!.writeQueueSize === 0)
      this.#written(this.handle!.writeBuffer(null, nothing), null);
  }

  /** FIN, after all that was written. */
  override end(): this {
    this.flush();
    this.#ending = true;
    return super.end();
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#pending > 0) {
      this.#finish = callback;
      return;
    }
    this.#shutting = true;
    super._final((error) => {
      this.#shutting = false;
      callback(error);
      if (this.#resets) this.resetAndDestroy();
    });
  }

  /** RST. A unix socket has none, and closes. */
  override resetAndDestroy(): this {
    const handle = this.tcpHandle;
    if (this.#shutting) this.#resets = true;
    else if (handle === null || 'reset' in handle) super.resetAndDestroy();
    else this.destroy();
    return this;
  }

  #stream(data: string | Buffer): void {
    if (this.#deaf) return;
    this.#streamed = true;
    this.write(data as string, 'latin1');
  }

  #mayWrite(): boolean {
    if (this.#streamed && this.writableLength === 0) this.#streamed = false;
    return direct && this.handle !== null && this.#pending === 0 && !this.#streamed && !this.#ending;
  }

  /** @returns whether the bytes are all with the kernel, or lost with the connection. */
  #written(result: number | WriteRequest, buffer: Buffer | null): boolean {
    if (result === 0) return true;
    if (typeof result === 'number') {
      this.#writeFailed(writeError(result));
      return true;
    }
    this.#pending++;
    result.handle = this.handle!;
    result.async = true;
    result.buffer = buffer;
    result.oncomplete = (status: number) => this.#completed(status);
    const status = result.writeStatus;
    if (status !== null) {
      result.writeStatus = null;
      this.#completed(status);
    }
    return false;
  }

  #completed(status: number): void {
    this.#pending--;
    if (this.destroyed) return;
    if (status < 0) this.#writeFailed(writeError(status));
    else if (!this.stalled) this.owner.onDrain();
    if (this.#pending > 0 || this.#finish === null) return;
    const finish = this.#finish;
    this.#finish = null;
    this._final(finish);
  }

  #writeFailed(error: Error): void {
    if (!this.readsOn) {
      this.destroy(error);
      return;
    }
    this.failure ??= error;
    this.#deaf = true;
    this.resume();
  }

  /** What the stream queued fails in its own way: a socket that reads on takes it for written. */
  override _write(chunk: unknown, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, this.#heedless(callback));
  }

  override _writev(
    chunks: { chunk: unknown; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    super._writev!(chunks, this.#heedless(callback));
  }

  #heedless(callback: (error?: Error | null) => void): (error?: Error | null) => void {
    if (!this.readsOn) return callback;
    return (error) => {
      if (error && !this.destroyed) {
        this.#writeFailed(error);
        callback();
      } else callback(error);
    };
  }

  /** Last moment at which the handle can be asked: counts would be gone after it. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.flush();
    const handle = this.tcpHandle;
    if (handle !== null) {
      this.#finalIn = handle.bytesRead;
      this.#finalOut = handle.bytesWritten - handle.writeQueueSize;
    }
    this.handle = null;
    super._destroy(error, callback);
  }
}

/** @param status libuv's negative error number. */
function writeError(status: number): Error {
  return Object.assign(new Error(`write: ${status}`), { code: 'EPIPE', errno: status });
}
