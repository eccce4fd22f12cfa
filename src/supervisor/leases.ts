/**
 * Hard limits over all workers of both slots. A worker may have as many requests in flight to an upstream as
 * it holds permits; what all workers hold together never exceeds the hard limit. Pure: calls return the steps
 * that the supervisor sends.
 *
 * A grant answers a lease however small it is: a worker that is still short asks again. A recall says that someone
 * waits: give back what is idle, and until `owed` permits have come back each one that comes free, ahead of the
 * worker's own queue. Without the debt, a busy worker would keep its permits for ever.
 */

export type LeaseStep =
  | { type: 'grant'; worker: number; key: string; permits: number }
  | { type: 'recall'; worker: number; key: string; owed: number };

/** By upstream; permits by worker. */
export type LeaseSnapshot = [key: string, pool: Pool][];

interface Pool {
  hard: number;
  /** Permits by worker; no zeros. */
  held: Map<number, number>;
  /** Permits wanted by worker, in the order of asking. */
  waiting: Map<number, number>;
  /** What each worker that was recalled still owes. */
  owed: Map<number, number>;
}

export class Leases {
  readonly #pools = new Map<string, Pool>();
  readonly #workers = new Set<number>();

  /** Sets or changes an upstream's hard limit. A lower one takes effect as permits come back. */
  limit(key: string, hard: number): LeaseStep[] {
    const pool = this.#pools.get(key);
    if (pool === undefined) {
      this.#pools.set(key, { hard, held: new Map(), waiting: new Map(), owed: new Map() });
      return [];
    }
    pool.hard = hard;
    return settle(key, pool, this.#workers.size);
  }

  join(worker: number): void {
    this.#workers.add(worker);
  }

  /** The worker is gone, and so is all that it had in flight. */
  leave(worker: number): LeaseStep[] {
    this.#workers.delete(worker);
    const steps: LeaseStep[] = [];
    for (const [key, pool] of this.#pools) {
      pool.waiting.delete(worker);
      pool.owed.delete(worker);
      pool.held.delete(worker);
      steps.push(...settle(key, pool, this.#workers.size));
    }
    return steps;
  }

  /** A worker's share is used up and it needs `want` (at least 1) more. Asking again replaces what it asked before. */
  lease(worker: number, key: string, want: number): LeaseStep[] {
    const pool = this.#pools.get(key);
    if (pool === undefined) return [];
    pool.waiting.set(worker, Math.max(1, want));
    return settle(key, pool, this.#workers.size);
  }

  release(worker: number, key: string, permits: number): LeaseStep[] {
    const pool = this.#pools.get(key);
    if (pool === undefined) return [];
    const left = (pool.held.get(worker) ?? 0) - permits;
    if (left > 0) pool.held.set(worker, left);
    else pool.held.delete(worker);
    const owed = pool.owed.get(worker);
    if (owed !== undefined) pool.owed.set(worker, Math.max(0, owed - permits));
    return settle(key, pool, this.#workers.size);
  }

  /** Recalls again where someone still waits: what was in use may be idle by now. To be called every now and then. */
  remind(): LeaseStep[] {
    const steps: LeaseStep[] = [];
    for (const [key, pool] of this.#pools) {
      if (pool.waiting.size === 0) continue;
      for (const worker of pool.held.keys()) {
        if (pool.waiting.has(worker)) continue;
        steps.push({ type: 'recall', worker, key, owed: pool.owed.get(worker) ?? 0 });
      }
    }
    return steps;
  }

  /** For another one, which leads from now on. */
  snapshot(): LeaseSnapshot {
    return [...this.#pools];
  }

  /** Takes over what another one has leased; where both know a limit, this one's holds. */
  adopt(snapshot: LeaseSnapshot): LeaseStep[] {
    const steps: LeaseStep[] = [];
    for (const [key, theirs] of snapshot) {
      const pool = this.#pools.get(key) ?? { hard: theirs.hard, held: new Map(), waiting: new Map(), owed: new Map() };
      this.#pools.set(key, pool);
      for (const part of ['held', 'waiting', 'owed'] as const)
        for (const [worker, permits] of theirs[part]) if (this.#workers.has(worker)) pool[part].set(worker, permits);
      steps.push(...settle(key, pool, this.#workers.size));
    }
    return steps;
  }

  /** Forgets the upstreams without a worker that holds or waits, unless they are among these. */
  retain(keys: ReadonlySet<string>): void {
    for (const [key, pool] of this.#pools) {
      if (!keys.has(key) && pool.held.size === 0 && pool.waiting.size === 0) this.#pools.delete(key);
    }
  }

  /** Permits held by all workers together. */
  held(key: string): number {
    const pool = this.#pools.get(key);
    return pool === undefined ? 0 : sum(pool.held);
  }
}

function settle(key: string, pool: Pool, workers: number): LeaseStep[] {
  const steps: LeaseStep[] = [];
  let free = pool.hard - sum(pool.held);
  while (free > 0 && pool.waiting.size > 0) {
    const worker = neediest(pool);
    const permits = share(pool.waiting.get(worker)!, free, pool.waiting.size, workers);
    pool.waiting.delete(worker);
    pool.owed.delete(worker);
    pool.held.set(worker, (pool.held.get(worker) ?? 0) + permits);
    free -= permits;
    steps.push({ type: 'grant', worker, key, permits });
  }
  if (pool.waiting.size > 0) recall(key, pool, free, steps);
  return steps;
}

/** The waiting worker that holds the least; among equals the one that asked first. */
function neediest(pool: Pool): number {
  let found = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const worker of pool.waiting.keys()) {
    const held = pool.held.get(worker) ?? 0;
    if (held < least) {
      found = worker;
      least = held;
    }
  }
  return found;
}

/** A lone worker gets all at once; otherwise more than was wanted, to save messages, while nobody else waits. */
function share(want: number, free: number, waiting: number, workers: number): number {
  if (workers <= 1) return free;
  if (waiting === 1) return Math.min(free, Math.max(want, Math.floor(free / 2)));
  return Math.min(want, Math.max(1, Math.floor(free / waiting)));
}

/** Asks the holders for idle permits, and those above the fair share for used ones, as far as these are needed. */
function recall(key: string, pool: Pool, free: number, steps: LeaseStep[]): void {
  const active = new Set([...pool.held.keys(), ...pool.waiting.keys()]).size;
  const fair = Math.floor(pool.hard / active);
  // `free` is below 0 when the limit was lowered.
  let need = sum(pool.waiting) - free - sum(pool.owed);
  const holders = [...pool.held].sort((a, b) => b[1] - a[1]);
  for (const [worker, held] of holders) {
    const before = pool.owed.get(worker);
    const more = Math.max(0, Math.min(need, held - fair - (before ?? 0)));
    const waits = pool.waiting.has(worker);
    // What waits has nothing idle: it is asked only for what it owes.
    if (more === 0 && (before !== undefined || waits)) continue;
    need -= more;
    const owed = (before ?? 0) + more;
    pool.owed.set(worker, owed);
    steps.push({ type: 'recall', worker, key, owed });
  }
}

function sum(permits: Map<number, number>): number {
  let total = 0;
  for (const value of permits.values()) total += value;
  return total;
}
