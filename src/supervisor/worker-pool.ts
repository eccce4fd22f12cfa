/** The worker processes of a slot, by index; one that died can be replaced, with a pause when it keeps dying. */

import { Backoff } from './backoff.ts';
import type { SlotStatus } from './status.ts';
import type { WorkerProcess, WorkerState } from './worker-process.ts';

export class WorkerPool {
  readonly #fork: (index: number) => WorkerProcess;
  /** The process at an index may have exited and wait for its replacement. */
  readonly #workers: WorkerProcess[] = [];
  readonly #backoffs: Backoff[] = [];
  readonly #replacements = new Set<NodeJS.Timeout>();

  constructor(fork: (index: number) => WorkerProcess) {
    this.#fork = fork;
  }

  start(workers: number): void {
    for (let index = 0; index < workers; index++) {
      this.#backoffs.push(new Backoff());
      this.#workers[index] = this.#fork(index);
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

  /** Those that wait for a replacement get none. */
  stopReplacing(): void {
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
  }

  [Symbol.iterator](): Iterator<WorkerProcess> {
    return this.#workers.values();
  }

  all(state: WorkerState): boolean {
    return this.#workers.every((worker) => worker.state === state);
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
