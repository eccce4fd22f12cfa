/** Lets so many through at once. Who takes longer than the patience is no longer counted: nobody waits for the slow. */
export class Gate {
  readonly #most: number;
  readonly #patience: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  /** @param patience milliseconds */
  constructor(most: number, patience: number) {
    this.#most = most;
    this.#patience = patience;
  }

  async through<T>(job: () => Promise<T>): Promise<T> {
    if (this.#inside < this.#most) this.#inside++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let counted = true;
    const leave = (): void => {
      if (!counted) return;
      counted = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    };
    const timer = setTimeout(leave, this.#patience);
    try {
      return await job();
    } finally {
      clearTimeout(timer);
      leave();
    }
  }
}
