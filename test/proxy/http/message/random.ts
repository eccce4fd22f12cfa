import { seeded } from '../../../helpers/random.ts';

/** Choices that a seed determines. */
export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seeded(seed);
  }

  /** In [0, below). */
  int(below: number): number {
    return Math.floor(this.#next() * below);
  }

  chance(percent: number): boolean {
    return this.int(100) < percent;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.int(of.length)];
  }

  /** Mostly one of the first, sometimes one of the others. */
  mostly<T>(usual: readonly T[], odd: readonly T[], oddPercent = 10): T {
    return this.pick(this.chance(oddPercent) ? odd : usual);
  }
}
