import { setImmediate } from 'node:timers/promises';

/** Milliseconds of work, after which the event loop turns. */
const slice = 5;

/** For work that is as long as the edge is large, in a process that others wait for. */
export class Slices {
  #since = performance.now();

  /** To be awaited between two small steps. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < slice) return;
    await setImmediate();
    this.#since = performance.now();
  }
}

/** @param steps yields between small steps. @returns what it returns. */
export async function inSlices<T>(steps: Generator<void, T>): Promise<T> {
  const slices = new Slices();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await slices.next();
  }
}

/** The same without a pause. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
