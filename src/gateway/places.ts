/**
 * The queries that the engine works on at once, shared out fairly. It is given fewer than it takes: who asked first would wait in
 * the engine's own queue otherwise, in which nobody looks at whose a query is.
 */

export interface PlaceLimits {
  /** Places that the organization may have. */
  concurrency: number;
  /** Queries of it that may wait. */
  queue: number;
}

/** Gives the place back; only the first time counts. */
export type Release = () => void;

interface Waiting {
  concurrency: number;
  begin: (release: Release) => void;
}

export class Places {
  #capacity: number;
  #sharing = false;
  #taken = 0;
  readonly #held = new Map<string, number>();
  /** By organization, in the order of their turns. */
  readonly #waiting = new Map<string, Set<Waiting>>();

  /** @param capacity places in all. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** @param sharing whether there are several organizations. */
  resize(capacity: number, sharing: boolean): void {
    this.#capacity = capacity;
    this.#sharing = sharing;
    this.#serve();
  }

  /**
   * @param leaves who waits no longer.
   * @returns `full` when too many wait already, `left` when it waits no longer.
   */
  take(org: string, { concurrency, queue }: PlaceLimits, leaves: AbortSignal): Promise<Release | 'full' | 'left'> {
    const { promise, resolve } = Promise.withResolvers<Release | 'full' | 'left'>();
    const waiting = this.#waiting.get(org) ?? new Set();
    if (waiting.size === 0 && this.#free(org, concurrency)) resolve(this.#begin(org));
    else if (waiting.size >= queue) resolve('full');
    else if (leaves.aborted) resolve('left');
    else {
      const entry: Waiting = { concurrency, begin: resolve };
      waiting.add(entry);
      this.#waiting.set(org, waiting);
      leaves.addEventListener('abort', () => {
        resolve('left');
        waiting.delete(entry);
        if (waiting.size === 0 && this.#waiting.get(org) === waiting) this.#waiting.delete(org);
      });
    }
    return promise;
  }

  #begin(org: string): Release {
    this.#taken += 1;
    this.#held.set(org, this.#of(org) + 1);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#taken -= 1;
      if (this.#of(org) === 1) this.#held.delete(org);
      else this.#held.set(org, this.#of(org) - 1);
      this.#serve();
    };
  }

  /** Those that have least come first; of those that have as much, who was served longest ago. */
  #serve(): void {
    for (;;) {
      let next: string | null = null;
      for (const [org, [first]] of this.#waiting) {
        if (!this.#free(org, first!.concurrency)) continue;
        if (next === null || this.#of(org) < this.#of(next)) next = org;
      }
      if (next === null) return;
      const waiting = this.#waiting.get(next)!;
      const [first] = waiting;
      waiting.delete(first!);
      this.#waiting.delete(next);
      if (waiting.size > 0) this.#waiting.set(next, waiting);
      first!.begin(this.#begin(next));
    }
  }

  /** The last place is for who has none: whatever the others do, an organization that asks little finds one. */
  #free(org: string, concurrency: number): boolean {
    const left = this.#capacity - this.#taken;
    const held = this.#of(org);
    return held < concurrency && (left > 1 || (left === 1 && (held === 0 || !this.#sharing)));
  }

  #of(org: string): number {
    return this.#held.get(org) ?? 0;
  }
}
