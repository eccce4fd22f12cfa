/** What all workers of all slots share: their counts, the permits below hard limits, and each other's load. */

import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import type { Store } from '../metrics/merge.ts';
import { InFlight } from './in-flight.ts';
import { type LeaseStep, Leases } from './leases.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** A worker, wherever it is. */
export interface HubWorker {
  readonly identity: WorkerIdentity;
  send(message: ToWorker): void;
  /** Asks for its counts; settled once they have been passed to `message`, or it is gone. */
  flush(): Promise<void>;
}

/** In-flight counts of other workers are passed on at most this often. */
const relayInterval = 20;
const remindInterval = 100;

export class Hub {
  readonly #store: Store;
  readonly #log: Log;
  readonly #workers = new Map<number, HubWorker>();
  readonly #leases = new Leases();
  readonly #inFlight = new InFlight();
  readonly #reminder: NodeJS.Timeout;
  #relay: NodeJS.Timeout | null = null;
  #lastWorker = 0;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
    this.#reminder = setInterval(() => this.#send(this.#leases.remind()), remindInterval);
  }

  /** A number that no other worker had. */
  nextWorkerId(): number {
    return ++this.#lastWorker;
  }

  join(worker: HubWorker): void {
    const { id, colour, generation } = worker.identity;
    this.#workers.set(id, worker);
    this.#store.attach({ id, colour, generation });
    this.#leases.join(id);
    this.#inFlight.join(id);
  }

  message(worker: HubWorker, message: FromWorker): void {
    const { id } = worker.identity;
    switch (message.type) {
      case 'counts': {
        const fault = message.counts === null ? null : this.#store.apply(id, message.counts);
        if (fault !== null) this.#log.error({ fault }, 'a worker reported what cannot be counted');
        if (message.inFlight.length > 0) {
          this.#inFlight.report(id, message.inFlight);
          this.#relaySoon();
        }
        break;
      }
      case 'lease':
        this.#send(this.#leases.lease(id, message.key, message.want));
        break;
      case 'release':
        this.#send(this.#leases.release(id, message.key, message.permits));
        break;
    }
  }

  leave(worker: HubWorker): void {
    const { id } = worker.identity;
    this.#workers.delete(id);
    this.#store.detach(id);
    this.#inFlight.leave(id);
    this.#relaySoon();
    this.#send(this.#leases.leave(id));
  }

  /** From now on a plan's hard limits hold over all workers; an upstream without one needs no lease. */
  limit(plan: Plan): void {
    for (const app of plan.apps) {
      for (const { concurrency, upstreams } of app.services) {
        if (concurrency.hard === null) continue;
        for (const { key } of upstreams) this.#send(this.#leases.limit(key, concurrency.hard));
      }
    }
  }

  /** Forgets the upstreams that none of these plans has. */
  retain(plans: Plan[]): void {
    const keys = new Set(
      plans.flatMap(({ apps }) => apps.flatMap((app) => app.services.flatMap((s) => s.upstreams.map((u) => u.key)))),
    );
    this.#leases.retain(keys);
    this.#inFlight.retain(keys);
  }

  /** Has all workers report, and waits at most so long for those that do. */
  async flush(timeout: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeout);
    await Promise.race([Promise.all([...this.#workers.values()].map((worker) => worker.flush())), late]);
    clearTimeout(timer);
  }

  /** In flight at an upstream, of all workers. */
  inFlight(key: string): number {
    return this.#inFlight.total(key);
  }

  close(): void {
    clearInterval(this.#reminder);
    if (this.#relay !== null) clearTimeout(this.#relay);
  }

  #send(steps: LeaseStep[]): void {
    for (const { worker, ...message } of steps) this.#workers.get(worker)?.send(message);
  }

  #relaySoon(): void {
    this.#relay ??= setTimeout(() => {
      this.#relay = null;
      for (const [id, upstreams] of this.#inFlight.changes())
        this.#workers.get(id)?.send({ type: 'others', upstreams });
    }, relayInterval);
  }
}
