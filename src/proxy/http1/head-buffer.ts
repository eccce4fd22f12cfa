import { COMPLETE, INCOMPLETE, REFUSED, TOO_LARGE } from '../http/message/head.ts';
import { findHeadEnd } from '../http/message/head-end.ts';

export type HeadProgress = typeof COMPLETE | typeof INCOMPLETE | typeof REFUSED | typeof TOO_LARGE;

/** A head that comes in pieces: collected, and looked through once, until its end is there. */
export class HeadBuffer {
  #bytes = Buffer.alloc(0);
  #length = 0;
  #scanned = 0;

  get empty(): boolean {
    return this.#length === 0;
  }

  /** The first piece. */
  begin(buffer: Buffer, start: number, end: number): void {
    this.clear();
    this.#add(buffer, start, end);
  }

  /** REFUSED: a CR or LF stands alone; TOO_LARGE: more than `limit` bytes without an end. */
  append(buffer: Buffer, start: number, end: number, limit: number): HeadProgress {
    this.#add(buffer, start, end);
    // An empty line may stand before the head: its CRLF is no end.
    const skip = this.#bytes[0] === 13 && this.#bytes[1] === 10 ? 2 : 0;
    const found = findHeadEnd(this.#bytes, Math.max(this.#scanned, skip), this.#length);
    if (found < 0) return REFUSED;
    if (found > 0) return COMPLETE;
    this.#scanned = this.#length;
    return this.#length >= limit ? TOO_LARGE : INCOMPLETE;
  }

  /** All bytes so far; the buffer is empty after it. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.clear();
    return bytes;
  }

  clear(): void {
    if (this.#length === 0) return;
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    this.#scanned = 0;
  }

  #add(buffer: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * this.#bytes.length, 64 * 1024), 512));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    buffer.copy(this.#bytes, this.#length, start, end);
    this.#length = needed;
  }
}
