/**
 * What each worker has in flight at each upstream, so that every worker balances by the load of all. Pure; a lone
 * worker is never told anything.
 */

export class InFlight {
  /** Key, worker, in flight. */
  readonly #counts = new Map<string, Map<number, number>>();
  /** Worker, key, what it was last told of the others. */
  readonly #told = new Map<number, Map<string, number>>();
  readonly #changed = new Set<string>();

  join(worker: number): void {
    this.#told.set(worker, new Map());
    for (const key of this.#counts.keys()) this.#changed.add(key);
  }

  leave(worker: number): void {
    this.#told.delete(worker);
    for (const [key, counts] of this.#counts) if (counts.delete(worker)) this.#changed.add(key);
  }

  report(worker: number, upstreams: [key: string, inFlight: number][]): void {
    for (const [key, inFlight] of upstreams) {
      let counts = this.#counts.get(key);
      if (counts === undefined) this.#counts.set(key, (counts = new Map()));
      counts.set(worker, inFlight);
      this.#changed.add(key);
    }
  }

  /** What each worker last reported. */
  snapshot(): [worker: number, upstreams: [key: string, inFlight: number][]][] {
    const byWorker = new Map<number, [string, number][]>();
    for (const [key, counts] of this.#counts)
      for (const [worker, inFlight] of counts) {
        const upstreams = byWorker.get(worker) ?? [];
        byWorker.set(worker, upstreams);
        upstreams.push([key, inFlight]);
      }
    return [...byWorker];
  }

  /** Forgets all upstreams but these. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#counts.keys()) {
      if (keys.has(key)) continue;
      this.#counts.delete(key);
      for (const told of this.#told.values()) told.delete(key);
    }
  }

  /** All workers together. */
  total(key: string): number {
    let total = 0;
    for (const value of this.#counts.get(key)?.values() ?? []) total += value;
    return total;
  }

  /** What each worker should be told of all others, as far as that changed since the last call. */
  changes(): [worker: number, upstreams: [key: string, inFlight: number][]][] {
    const totals = [...this.#changed].map((key): [string, number] => [key, this.total(key)]);
    this.#changed.clear();
    const result: [number, [string, number][]][] = [];
    for (const [worker, told] of this.#told) {
      const news: [string, number][] = [];
      for (const [key, total] of totals) {
        const others = total - (this.#counts.get(key)?.get(worker) ?? 0);
        if (others === (told.get(key) ?? 0)) continue;
        told.set(key, others);
        news.push([key, others]);
      }
      if (news.length > 0) result.push([worker, news]);
    }
    return result;
  }
}
