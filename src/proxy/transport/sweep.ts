import { performance } from 'node:perf_hooks';
import { clock } from './clock.ts';

/** Something open that has a deadline; lives in one `Sweep`. */
export interface Timed {
  /** In `clock` milliseconds; Infinity for none. */
  deadline: number;
  /** The deadline has passed. Must move it, or leave the sweep. */
  expire(): void;
  /** Once a second: bring byte counts up to date, look for progress. */
  sample(): void;
  /** Position in the sweep, -1 when not in one; the sweep's own. */
  place: number;
}

const samplePeriod = 1000;

/**
 * One pass over all connections instead of a timer each: 10,000 of them cost some 50 µs a pass, and a
 * request neither makes nor clears a timer. (architecture.md: deadlines)
 */
export class Sweep {
  #items: Timed[] = [];
  #sampledAt = clock.now;

  add(item: Timed): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  remove(item: Timed): void {
    if (item.place < 0) return;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
  }

  /** Backwards, because an item that leaves is replaced by the last one. */
  pass(): void {
    clock.now = performance.now();
    const sample = clock.now - this.#sampledAt >= samplePeriod;
    if (sample) this.#sampledAt = clock.now;
    for (let i = this.#items.length - 1; i >= 0; i--) {
      const item = this.#items[i];
      if (item === undefined) continue;
      if (sample) item.sample();
      if (item.place >= 0 && item.deadline <= clock.now) item.expire();
    }
  }
}
