/** Counts in a worker: a series is an index into one typed array, so that recording is an addition. */

import type { Counts, SeriesDefinition } from '../base/counts.ts';
import { metrics } from './catalogue.ts';

/** Values are looked at in blocks of 64: on a large edge a report finds little of all that there is changed. */
const blockBits = 6;

export class Recorder {
  readonly #bounds: Float64Array;
  #values = new Float64Array(1024);
  /** What `collect` has handed out so far. */
  #sent = new Float64Array(1024);
  /** By block: 1 when a value may have changed since. */
  #touched = new Uint8Array(1024 >> blockBits);
  #used = 0;
  readonly #known = new Map<string, number>();
  #definitions: SeriesDefinition[] = [];

  /** @param bounds rising upper bounds of all histograms' buckets in seconds, without +Inf. */
  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
  }

  /**
   * The first index of a series, made when it is new; not for the hot path.
   * A histogram has bounds + 2 values: one for each bucket (not cumulative), one for +Inf, then the sum.
   * @param metric position in the catalogue. @param labels app [, instance] [, own …] in the catalogue's order.
   */
  series(metric: number, labels: string[]): number {
    const key = JSON.stringify([metric, labels]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.#used;
    const size = metrics[metric].type === 'histogram' ? this.#bounds.length + 2 : 1;
    this.#used += size;
    if (this.#used > this.#values.length) this.#grow();
    this.#known.set(key, index);
    this.#definitions.push({ index, size, metric: metrics[metric].name, labels });
    return index;
  }

  /** Counter or gauge. */
  inc(index: number): void {
    this.#values[index] += 1;
    this.#touched[index >> blockBits] = 1;
  }

  /** Gauge. */
  dec(index: number): void {
    this.#values[index] -= 1;
    this.#touched[index >> blockBits] = 1;
  }

  /** Gauge. */
  set(index: number, value: number): void {
    this.#values[index] = value;
    this.#touched[index >> blockBits] = 1;
  }

  /** Counter: one that would fall, or stop being a number, stays. */
  add(index: number, n: number): void {
    if (!(n > 0 && n < Infinity)) return;
    this.#values[index] += n;
    this.#touched[index >> blockBits] = 1;
  }

  /** Histogram: a bucket's bound belongs to it. A clock that went back counts as 0. */
  observe(index: number, seconds: number): void {
    if (!(seconds > 0 && seconds < Infinity)) seconds = 0;
    const bounds = this.#bounds;
    const values = this.#values;
    // Most times are short: walking up from the lowest bound beats halving.
    let bucket = 0;
    while (bucket < bounds.length && seconds > bounds[bucket]) bucket += 1;
    values[index + bucket] += 1;
    this.#touched[(index + bucket) >> blockBits] = 1;
    const sum = index + bounds.length + 1;
    values[sum] += seconds;
    this.#touched[sum >> blockBits] = 1;
  }

  /** Whether there are series that have not been handed out. */
  get behind(): boolean {
    return this.#definitions.length > 0;
  }

  /**
   * New series and increments since the last call; null when there are none.
   * @param most new series; what the others have counted comes with them, in the next calls.
   */
  collect(most = Infinity): Counts | null {
    const definitions = this.#definitions.slice(0, most);
    this.#definitions = definitions.length < this.#definitions.length ? this.#definitions.slice(most) : [];
    const told = this.behind ? this.#definitions[0].index : this.#used;
    const values = this.#values;
    const sent = this.#sent;
    const touched = this.#touched;
    let changed = 0;
    for (let start = 0; start < told; start += 1 << blockBits) {
      if (touched[start >> blockBits] === 0) continue;
      const end = Math.min(start + (1 << blockBits), told);
      for (let i = start; i < end; i++) if (values[i] !== sent[i]) changed += 1;
    }
    if (changed === 0 && definitions.length === 0) return null;
    const indexes = new Uint32Array(changed);
    const amounts = new Float64Array(changed);
    let at = 0;
    for (let start = 0; start < told; start += 1 << blockBits) {
      if (touched[start >> blockBits] === 0) continue;
      const end = Math.min(start + (1 << blockBits), told);
      for (let i = start; i < end; i++) {
        if (values[i] === sent[i]) continue;
        indexes[at] = i;
        amounts[at++] = values[i] - sent[i];
        sent[i] = values[i];
      }
      // What is beyond `told` in the last block is for the next call.
      if (end === start + (1 << blockBits)) touched[start >> blockBits] = 0;
    }
    return { definitions, indexes, amounts };
  }

  #grow(): void {
    const length = Math.max(this.#values.length * 2, this.#used);
    const grown = (old: Float64Array) => {
      const array = new Float64Array(length);
      array.set(old);
      return array;
    };
    const touched = new Uint8Array(Math.ceil(length / (1 << blockBits)));
    touched.set(this.#touched);
    this.#touched = touched;
    this.#values = grown(this.#values);
    this.#sent = grown(this.#sent);
  }
}
