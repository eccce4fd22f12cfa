/** What a generation's instances are to the supervisor: their limits, and whether they are healthy. */

import { inSlices } from '../base/slices.ts';
import type { Plan, ServicePlan } from '../config/plan.ts';
import type { Ejections, ToWorker } from '../ipc/messages.ts';
import { MetricId } from '../metrics/catalogue.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Hub } from './hub.ts';
import { type HubWorker, limitsIndex } from './hub-worker.ts';
import { addressesOf } from './instances.ts';
import type { Slot } from './slot.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** Instances whose series are added up in one go. */
const bornAtOnce = 100;

/** Counts the limits of one generation for the hub, like a worker of it. */
export class LimitSeries implements HubWorker {
  readonly identity: WorkerIdentity;
  readonly #hub: Hub;
  readonly #slot: Slot;
  readonly #recorder: Recorder;
  readonly #addresses: ReadonlyMap<string, string>;
  /** Keys of upstreams that get no requests, or one at a time. */
  readonly #ejected = new Set<string>();
  /** As the app's services reach each, and where its health is in the recorder. */
  readonly #instances: { keys: string[]; service: number; passive: number }[] = [];
  /** Settled when all of its series have been told once. */
  readonly #born: Promise<void>;
  #left = false;

  /** Told from now on, until `leave`; those of the colour's generations before are not. */
  constructor(slot: Slot, bounds: readonly number[], hub: Hub) {
    const { colour, generation, plan } = slot;
    this.identity = { id: hub.nextWorkerId(), colour, generation, index: limitsIndex };
    this.#hub = hub;
    this.#slot = slot;
    this.#recorder = new Recorder(bounds);
    this.#addresses = addressesOf(plan);
    this.#learn(hub.outliers.all);
    hub.endLimits(colour);
    hub.join(this);
    this.#born = inSlices(this.#bear(plan));
  }

  leave(): void {
    this.#left = true;
    this.#hub.leave(this);
  }

  async flush(): Promise<void> {
    await this.#born;
    for (const each of this.#instances) this.#look(each);
    this.#tell();
  }

  /** One app's instances after the other: they are told as they are born. */
  *#bear({ apps }: Plan): Generator<void, void> {
    const recorder = this.#recorder;
    for (const { name, services } of apps) {
      for (const [id, its] of backersOf(services)) {
        if (this.#left) return;
        const { soft, hard } = limitsOf(its.map(({ service }) => service));
        if (soft > 0) recorder.set(recorder.series(MetricId.appSoftLimit, [name, id]), soft);
        if (soft > 0 && hard !== null) recorder.set(recorder.series(MetricId.appHardLimit, [name, id]), hard);
        const health = (check: string) => recorder.series(MetricId.appInstanceHealthy, [name, id, check]);
        const keys = its.map(({ key }) => key);
        const instance = { keys, service: health('service'), passive: health('passive') };
        this.#instances.push(instance);
        this.#look(instance);
        if (this.#instances.length % bornAtOnce === 0) this.#tell();
        yield;
      }
    }
    this.#tell();
  }

  #look({ keys, service, passive }: { keys: string[]; service: number; passive: number }): void {
    const { health } = this.#slot;
    this.#recorder.set(service, keys.every((key) => health.get(key) !== false) ? 1 : 0);
    this.#recorder.set(passive, keys.some((key) => this.#ejected.has(key)) ? 0 : 1);
  }

  #tell(): void {
    const counts = this.#left ? null : this.#recorder.collect();
    if (counts !== null) this.#hub.message(this, { type: 'counts', flush: 0, counts, inFlight: [], connections: 0 });
  }

  /** Whichever supervisor leads, its workers hear of ejections. */
  send(message: ToWorker): void {
    if (message.type === 'ejected') this.#learn(message.upstreams);
  }

  #learn(upstreams: Ejections): void {
    for (const [key, address, state] of upstreams) {
      if (this.#addresses.get(key) !== address) continue;
      if (state === 'in') this.#ejected.delete(key);
      else this.#ejected.add(key);
    }
  }
}

interface Backer {
  service: ServicePlan;
  key: string;
}

/** By instance, the services that it backs. */
function backersOf(services: readonly ServicePlan[]): Map<string, Backer[]> {
  const backers = new Map<string, Backer[]>();
  for (const service of services)
    for (const { instance, key } of service.upstreams) {
      const its = backers.get(instance);
      if (its === undefined) backers.set(instance, [{ service, key }]);
      else its.push({ service, key });
    }
  return backers;
}

/** The limits of all services that an instance backs, as `fly_app_concurrency` counts them; hard is null if one has none. */
const limitsOf = (services: readonly ServicePlan[]): { soft: number; hard: number | null } => ({
  soft: services.reduce((sum, { concurrency }) => sum + concurrency.soft, 0),
  hard: services.reduce<number | null>(
    (sum, { concurrency: { hard } }) => (sum === null || hard === null ? null : sum + hard),
    0,
  ),
});
