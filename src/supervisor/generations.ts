/** The generations that live, here and in the supervisor before this one, whose slots drain there. */

import type { Log } from '../log/log.ts';
import { addressesOf } from './instances.ts';
import type { Predecessor } from './predecessor.ts';
import type { Slot } from './slot.ts';
import type { SlotStatus } from './status.ts';
import type { FoundHealth } from './succession.ts';

export class Generations {
  readonly #log: Log;
  readonly #predecessor: Predecessor | null;
  /** In the order of their generations. */
  #slots: Slot[] = [];

  constructor(log: Log, predecessor: Predecessor | null) {
    this.#log = log;
    this.#predecessor = predecessor;
  }

  /** Those of this supervisor, oldest first. */
  get slots(): readonly Slot[] {
    return this.#slots;
  }

  /** With those that drain in the supervisor before this one. */
  get statuses(): SlotStatus[] {
    return [...(this.#predecessor?.slots ?? []), ...this.#slots.map(({ status }) => status)];
  }

  add(slot: Slot): void {
    this.#slots.push(slot);
  }

  remove(slot: Slot): void {
    this.#slots = this.#slots.filter((each) => each !== slot);
  }

  /** Cuts what is left of the oldest where more drain than may. */
  cutOldest(maxDraining: number): void {
    this.hurry(this.statuses.filter(({ state }) => state === 'draining').length - maxDraining);
  }

  /** Cuts what is left of so many of the oldest. */
  hurry(generations: number): void {
    const before = this.#predecessor?.slots.length ?? 0;
    if (generations > 0 && before > 0) this.#predecessor!.hurry(generations);
    const draining = this.#slots.filter(({ state }) => state === 'draining');
    for (const slot of draining.slice(0, Math.max(0, generations - before))) {
      if (slot.hurried) continue;
      const { colour, generation, status } = slot;
      const { connections } = status;
      this.#log.warn({ slot: colour, generation, connections }, 'more generations drain than max_draining: it is cut');
      slot.hurry();
    }
  }

  /** Slots that drain check no more: they learn what the one that serves finds out about the same instances. */
  learn(found: FoundHealth): void {
    this.#predecessor?.learn(found);
    for (const slot of this.#slots) {
      if (slot.state !== 'draining') continue;
      const theirs = addressesOf(slot.plan);
      const same = found.filter(([key, address]) => theirs.get(key) === address);
      slot.learn(same.map(([key, , healthy]) => [key, healthy]));
    }
  }

  /** Those of the supervisor before this one are to end too: nobody takes over. */
  stop(): void {
    this.#predecessor?.stop();
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#predecessor?.kill();
    for (const slot of this.#slots) slot.kill();
  }
}
