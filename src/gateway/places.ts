/** Queries at once, of each organisation: one cannot take the engine from the others. */
export class Places {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns what gives the place back, once; null when all are taken. */
  take(org: string): (() => void) | null {
    const taken = this.#taken.get(org) ?? 0;
    if (taken >= this.#most) return null;
    this.#taken.set(org, taken + 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#taken.set(org, this.#taken.get(org)! - 1);
    };
  }
}
