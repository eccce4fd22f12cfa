import { Framing } from '../http/message/framing.ts';
import { ChunkedDecoder, Onward, passed } from './chunked.ts';

/** Where a body stands, whatever its framing (RFC 9112 6). One instance serves many bodies. */
export class Body {
  framing: Framing = Framing.none;
  done = true;
  /** Payload bytes so far; without chunk framing. */
  bytes = 0;
  #left = 0;
  #chunks: ChunkedDecoder | null = null;

  /** @param maxLine bytes of one chunk line, and of all trailers. The rest: see `ChunkedDecoder.reset`. */
  begin(
    framing: Framing,
    length: number,
    maxLine: number,
    onward: Onward = Onward.chunks,
    options: readonly string[] | null = null,
    drops: ReadonlySet<string> | null = null,
  ): void {
    this.framing = framing;
    this.bytes = 0;
    this.#left = length;
    this.done = framing === Framing.none || (framing === Framing.length && length === 0);
    if (framing !== Framing.chunked) return;
    this.#chunks ??= new ChunkedDecoder();
    this.#chunks.reset(maxLine, onward, options, drops);
  }

  /** The index just past the body's bytes in buffer[start,end), or -1 when they break the framing. What goes on is in `passed`. */
  push(buffer: Buffer, start: number, end: number): number {
    passed.bytes = buffer;
    passed.from = start;
    passed.to = start;
    if (this.done) return start;
    switch (this.framing) {
      case Framing.length: {
        const length = Math.min(this.#left, end - start);
        this.#left -= length;
        this.bytes += length;
        this.done = this.#left === 0;
        passed.to = start + length;
        return start + length;
      }
      case Framing.chunked: {
        const chunks = this.#chunks!;
        const index = chunks.push(buffer, start, end);
        this.bytes = chunks.bytes;
        this.done = chunks.done;
        return index;
      }
      default:
        this.bytes += end - start;
        passed.to = end;
        return end;
    }
  }

  /** The connection ended: whether that ends the body too. */
  ended(): boolean {
    if (this.framing === Framing.untilClose) this.done = true;
    return this.done;
  }

  get fault(): string {
    return this.#chunks?.fault ?? '';
  }
}
