import { clock } from '../transport/clock.ts';

/**
 * How a client keeps up, over the time in which it alone is waited for: how long that was, and how much it has moved. Looked at once a
 * second. What it moved quickly makes up for a pause later, up to a bound: else a megabyte would be worth an hour.
 */
export class Pace {
  #at = 0;
  #seen = 0;
  #bytes = 0;
  /** Milliseconds. */
  waited = 0;

  begin(): void {
    this.#at = clock.now;
    this.#seen = 0;
    this.#bytes = 0;
    this.waited = 0;
  }

  /** @param total bytes that have moved so far. @param waits all the time since the last look counts. */
  look(total: number, waits: boolean, rate: number, most: number): void {
    if (waits) this.waited += clock.now - this.#at;
    this.#at = clock.now;
    this.add(total - this.#seen, rate, most);
    this.#seen = total;
  }

  /** Neither the time nor the bytes since the last look count. */
  pass(total: number): void {
    this.#at = clock.now;
    this.#seen = total;
  }

  /** @param bytes that moved unseen. @param most milliseconds for which a client may be ahead. */
  add(bytes: number, rate: number, most: number): void {
    this.#bytes = Math.min(this.#bytes + bytes, (rate * (this.waited + most)) / 1000);
  }

  isBehind(rate: number): boolean {
    return this.#bytes * 1000 < rate * this.waited;
  }
}
