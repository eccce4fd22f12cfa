/** A small seeded generator (mulberry32): a failing run is repeated by its seed. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** In [0, below). */
  int(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
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
