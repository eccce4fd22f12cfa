/** The worker processes of a slot, by index; one that died can be replaced, with a pause when it keeps dying. */

import { setImmediate } from 'node:timers/promises';
import { Backoff } from '../base/backoff.ts';
import type { SlotStatus } from './status.ts';
import type { WorkerProcess, WorkerState } from './worker-process.ts';

export class WorkerPool {
  readonly #fork: (index: number) => WorkerProcess;
  /** The process at an index may have exited and wait for its replacement. */
  readonly #workers: WorkerProcess[] = [];
  readonly #backoffs: Backoff[] = [];
  #wanted = 0;
  readonly #replacements = new Set<NodeJS.Timeout>();

  constructor(fork: (index: number) => WorkerProcess) {
    this.#fork = fork;
  }

  /** One after the other: to start a process takes a moment in which this one stands still. */
  async start(workers: number): Promise<void> {
    this.#wanted = workers;
    while (this.#workers.length < this.#wanted) {
      this.#backoffs.push(new Backoff());
      this.#workers.push(this.#fork(this.#workers.length));
      await setImmediate();
    }
  }

  /** @returns the milliseconds after which another one takes the place of one that died. */
  replace({ identity: { index }, age }: WorkerProcess): number {
    const pause = this.#backoffs[index]!.next(age);
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      this.#workers[index] = this.#fork(index);
    }, pause);
    this.#replacements.add(timer);
    return pause;
  }

  /** Those that wait for a replacement get none, and no other is started. */
  stopReplacing(): void {
    this.#wanted = this.#workers.length;
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
  }

  [Symbol.iterator](): Iterator<WorkerProcess> {
    return this.#workers.values();
  }

  all(state: WorkerState): boolean {
    return this.#workers.length === this.#wanted && this.#workers.every((worker) => worker.state === state);
  }

  get statuses(): SlotStatus['workers'] {
    return this.#workers.map((worker) => ({
      index: worker.identity.index,
      pid: worker.pid,
      state: worker.state,
      connections: worker.connections,
    }));
  }
}
