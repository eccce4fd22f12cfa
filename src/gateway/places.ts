/** Queries at once, of each organisation: one cannot take the engine from the others. */
export class Places {
  readonly #taken = new Map<string, number>();

  /** @param most that the organisation may have. @returns what gives the place back, once; null when all are taken. */
  take(org: string, most: number): (() => void) | null {
    const taken = this.#taken.get(org) ?? 0;
    if (taken >= most) return null;
    this.#taken.set(org, taken + 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#taken.set(org, this.#taken.get(org)! - 1);
    };
  }
}
