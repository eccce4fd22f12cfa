/**
 * Blocks of samples that the engine has taken, until it has surely written them to its disk. victoria-metrics 1.79 keeps
 * what it takes in memory for up to some 8 seconds (measured), and no flag shortens that.
 */

export interface Block {
  body: Buffer;
  /** `Content-Encoding` and the like. */
  headers: Record<string, string>;
}

interface Kept {
  block: Block;
  /** By `performance.now()`; infinite once the engine that had taken it has ended. */
  takenAt: number;
}

/** Milliseconds; several times what it needs. */
const writtenAfter = 30_000;

export class KeptBlocks {
  readonly #most: number;
  readonly #kept: Kept[] = [];
  #bytes = 0;

  /** @param most bytes; the oldest go beyond it. */
  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  taken(block: Block): void {
    const now = performance.now();
    this.#kept.push({ block, takenAt: now });
    this.#bytes += block.body.length;
    while (this.#kept.length > 0 && (this.#bytes > this.#most || now - this.#kept[0]!.takenAt > writtenAfter)) {
      this.#bytes -= this.#kept.shift()!.block.body.length;
    }
  }

  /** The engine has ended: what it had not written is gone. */
  lost(): void {
    for (const kept of this.#kept) kept.takenAt = Number.POSITIVE_INFINITY;
  }

  /**
   * Tells another engine what the one before may have lost, oldest first.
   * @param tell whether it was taken; the first that was not ends it. @returns how many were.
   */
  async replay(tell: (block: Block) => Promise<boolean>): Promise<number> {
    let told = 0;
    for (const kept of this.#kept.filter(({ takenAt }) => takenAt === Number.POSITIVE_INFINITY)) {
      if (!(await tell(kept.block))) break;
      kept.takenAt = performance.now();
      told++;
    }
    return told;
  }
}
