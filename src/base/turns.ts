/** Jobs that run one at a time, in the order of asking; those that wait for the same are one. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Map<string, Promise<unknown>>();

  /** @param name of what is asked for: one of the same name that has not begun yet stands for this one too. */
  take<T>(name: string, job: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(name) as Promise<T> | undefined;
    if (waiting !== undefined) return waiting;
    const done = this.#last.then(() => {
      this.#waiting.delete(name);
      return job();
    });
    this.#waiting.set(name, done);
    this.#last = done.catch(() => {});
    return done;
  }
}
