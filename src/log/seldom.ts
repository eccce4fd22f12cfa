/** For a line that each request would write anew while something is amiss: at most one every ten seconds. */
export class Seldom {
  readonly #interval: number;
  #lastAt = Number.NEGATIVE_INFINITY;
  #leftOut = 0;

  /** @param interval milliseconds. */
  constructor(interval = 10_000) {
    this.#interval = interval;
  }

  /** @returns null when the line is to be left out, else how many were since the last one. */
  due(): number | null {
    const now = performance.now();
    if (now - this.#lastAt < this.#interval) {
      this.#leftOut += 1;
      return null;
    }
    const leftOut = this.#leftOut;
    this.#lastAt = now;
    this.#leftOut = 0;
    return leftOut;
  }
}
