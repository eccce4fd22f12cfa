/**
 * The part of Node's TCP wrap that the data path reads. `bytesWritten` counts what was given to the kernel
 * or still waits in libuv; `writeQueueSize` is what waits: their difference is what the kernel accepted.
 */
export interface TcpHandle {
  readonly fd: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
  /**
   * Since Node 26.10, with null for a request: 0 when the kernel took all at once, another number for an error, else
   * the request of what is left, which completes later.
   */
  writeLatin1String(request: null, text: string): number | WriteRequest;
  writeBuffer(request: null, bytes: Uint8Array): number | WriteRequest;
  onconnection: ((error: number, client: TcpHandle) => void) | null;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  reset(callback?: () => void): number;
  getpeername(out: { address?: string; port?: number; family?: string }): number;
  getsockname(out: { address?: string; port?: number; family?: string }): number;
}

/** A write that libuv keeps; the fields are what Node's own streams set. */
export interface WriteRequest {
  handle: TcpHandle;
  oncomplete: (this: WriteRequest, status: number) => void;
  callback: (error?: Error | null) => void;
  async: boolean;
  buffer: unknown;
  /** Set when it completed before `oncomplete` was. */
  writeStatus: number | null;
}
