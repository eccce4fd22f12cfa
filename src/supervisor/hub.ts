/** What all workers of all slots share: their counts, the permits below hard limits, and each other's load. */

import type { Colour } from '../base/counts.ts';
import type { Plan } from '../config/plan.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import type { Log } from '../log/log.ts';
import type { Store } from '../metrics/merge.ts';
import { type HubWorker, limitsIndex } from './hub-worker.ts';
import { InFlight } from './in-flight.ts';
import { hardLimits, upstreamKeys } from './instances.ts';
import { type LeaseSnapshot, type LeaseStep, Leases } from './leases.ts';
import { Outliers } from './outliers.ts';
import type { ToSuccessor, Values } from './succession.ts';

/** A scrape waits this long for the workers' last counts. */
const flushTimeout = 1_000;
/** In-flight counts of other workers are passed on at most this often. */
const relayInterval = 20;
const remindInterval = 100;

/** A supervisor that takes over hears all that is said here. */
type Listener = (message: ToSuccessor) => void;

export class Hub {
  readonly outliers: Outliers;
  readonly #store: Store;
  readonly #log: Log;
  readonly #workers = new Map<number, HubWorker>();
  readonly #leases = new Leases();
  readonly #inFlight = new InFlight();
  readonly #reminder: NodeJS.Timeout;
  #relay: NodeJS.Timeout | null = null;
  #lastWorker: number;
  #successor: Listener | null = null;
  /** The successor leads: what is said here is its to answer. */
  #relaying = false;
  /** What is asked before the predecessor's leases are known; null when there is nothing to wait for. */
  #deferred: (() => void)[] | null;

  /**
   * @param lastWorker of a predecessor, whose values are to come.
   */
  constructor(store: Store, log: Log, lastWorker: number | null) {
    this.#store = store;
    this.#log = log;
    this.outliers = new Outliers(log, (upstreams) => this.tellAll({ type: 'ejected', upstreams }));
    this.#lastWorker = lastWorker ?? 0;
    this.#deferred = lastWorker === null ? null : [];
    this.#reminder = setInterval(() => this.#send(this.#leases.remind()), remindInterval);
  }

  /** A number that no other worker had. */
  nextWorkerId(): number {
    return ++this.#lastWorker;
  }

  get lastWorker(): number {
    return this.#lastWorker;
  }

  join(worker: HubWorker): void {
    const { id, colour, generation } = worker.identity;
    this.#store.attach({ id, colour, generation });
    this.adopt(worker);
    this.#successor?.({ type: 'joined', worker: worker.identity });
  }

  /** A worker that the store knows already. */
  adopt(worker: HubWorker): void {
    const { id, index } = worker.identity;
    this.#workers.set(id, worker);
    if (index < 0) return;
    this.#leases.join(id);
    this.#inFlight.join(id);
  }

  /** Tells workers of all generations, those that drain under the supervisor before this one included. */
  tellAll(message: ToWorker): void {
    for (const worker of this.#workers.values()) worker.send(message);
  }

  message(worker: HubWorker, message: FromWorker): void {
    const { id } = worker.identity;
    const lease = message.type === 'lease' || message.type === 'release';
    if (this.#relaying || !lease) this.#successor?.({ type: 'message', worker: id, message });
    if (this.#relaying) return;
    if (lease && this.#deferred !== null) this.#deferred.push(() => this.#handle(id, message));
    else this.#handle(id, message);
  }

  #handle(id: number, message: FromWorker): void {
    switch (message.type) {
      case 'counts': {
        const fault = message.counts === null ? null : this.#store.apply(id, message.counts);
        if (fault !== null) this.#log.error({ fault }, 'a worker reported what cannot be counted');
        if (message.inFlight.length > 0) {
          this.#inFlight.report(id, message.inFlight);
          this.#relaySoon();
        }
        if (message.more) this.#workers.get(id)?.send({ type: 'more' });
        break;
      }
      case 'outcome':
        this.outliers.report(id, message.key, message.address, message.failures);
        break;
      case 'lease':
        if (this.#workers.has(id)) this.#send(this.#leases.lease(id, message.key, message.want));
        break;
      case 'release':
        this.#send(this.#leases.release(id, message.key, message.permits));
        break;
    }
  }

  leave(worker: HubWorker): void {
    const { id } = worker.identity;
    this.#workers.delete(id);
    this.#successor?.({ type: 'left', worker: id });
    this.#store.detach(id);
    this.#inFlight.leave(id);
    this.#relaySoon();
    this.#send(this.#leases.leave(id));
  }

  /** Limits of the colour's generations so far, here or in a supervisor before this one, are told no more: they would add up. */
  endLimits(colour: Colour): void {
    for (const worker of this.#workers.values())
      if (worker.identity.index === limitsIndex && worker.identity.colour === colour) this.leave(worker);
  }

  // To another supervisor

  /** All values up to now; from now on `successor` hears what workers count. */
  handOver(successor: Listener): Values {
    this.#successor = successor;
    const workers = [...this.#workers.values()].map(({ identity }) => identity);
    const [store, inFlight] = [this.#store.snapshot(), this.#inFlight.snapshot()];
    return { type: 'values', store, workers, inFlight, ejected: this.outliers.found };
  }

  /** The successor will not be: all stays here. */
  keep(): void {
    this.#successor = null;
  }

  /** The successor leads. */
  relay(): void {
    this.#relaying = true;
    this.close();
    this.#successor?.({ type: 'sharing', leases: this.#leases.snapshot() });
  }

  /** What the successor says to a worker. */
  deliver(worker: number, message: ToWorker): void {
    this.#workers.get(worker)?.send(message);
  }

  /** The permits that the predecessor's workers hold. */
  shareLeases(snapshot: LeaseSnapshot): void {
    this.#send(this.#leases.adopt(snapshot));
    for (const handle of this.#deferred ?? []) handle();
    this.#deferred = null;
  }

  /** From now on a plan's hard limits hold over all workers; an upstream without one needs no lease. */
  limit(plan: Plan): void {
    this.outliers.plan(plan);
    for (const [key, hard] of hardLimits(plan)) this.#send(this.#leases.limit(key, hard));
  }

  /** Forgets the upstreams that none of these plans has. */
  retain(plans: Plan[]): void {
    const keys = new Set(plans.flatMap(upstreamKeys));
    this.#leases.retain(keys);
    this.#inFlight.retain(keys);
  }

  /** Has all workers report, and waits for those that do, but not for long. */
  async flush(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, flushTimeout);
    await Promise.race([Promise.all([...this.#workers.values()].map((worker) => worker.flush())), late]);
    clearTimeout(timer);
  }

  /** In flight at an upstream, of all workers. */
  inFlight(key: string): number {
    return this.#inFlight.total(key);
  }

  close(): void {
    this.outliers.close();
    clearInterval(this.#reminder);
    if (this.#relay !== null) clearTimeout(this.#relay);
  }

  #send(steps: LeaseStep[]): void {
    if (this.#relaying) return;
    for (const { worker, ...message } of steps) this.#workers.get(worker)?.send(message);
  }

  #relaySoon(): void {
    if (this.#relaying) return;
    this.#relay ??= setTimeout(() => {
      this.#relay = null;
      for (const [id, upstreams] of this.#inFlight.changes())
        this.#workers.get(id)?.send({ type: 'others', upstreams });
    }, relayInterval);
  }
}
