/** What a generation's instances are to the supervisor: their limits, and whether they are healthy. */

import type { AppPlan, Plan } from '../config/plan.ts';
import { M } from '../metrics/catalogue.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Hub } from './hub.ts';
import { type HubWorker, limitsIndex } from './hub-worker.ts';
import { addressesOf } from './instances.ts';
import type { Ejections, ToWorker } from './messages.ts';
import type { Slot } from './slot.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** Of one generation: what counts for the hub, like a worker of it. */
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

  /** Told from now on, until `leave`; those of the colour's generations before are not. */
  constructor(slot: Slot, bounds: readonly number[], hub: Hub) {
    const { colour, generation, plan } = slot;
    this.identity = { id: hub.nextWorkerId(), colour, generation, index: limitsIndex };
    this.#hub = hub;
    this.#slot = slot;
    this.#recorder = recorded(plan, bounds);
    this.#addresses = addressesOf(plan);
    this.#learn(hub.outliers.all);
    const index = (app: string, instance: string, check: string) =>
      this.#recorder.series(M.appInstanceHealthy, [app, instance, check]);
    for (const { name, services } of plan.apps) {
      const keysOf = Map.groupBy(
        services.flatMap(({ upstreams }) => upstreams),
        ({ instance }) => instance,
      );
      for (const [id, its] of keysOf) {
        const keys = its.map(({ key }) => key);
        this.#instances.push({ keys, service: index(name, id, 'service'), passive: index(name, id, 'passive') });
      }
    }
    hub.endLimits(colour);
    hub.join(this);
    this.#tell();
  }

  leave(): void {
    this.#hub.leave(this);
  }

  async flush(): Promise<void> {
    this.#tell();
  }

  #tell(): void {
    const { health } = this.#slot;
    const recorder = this.#recorder;
    for (const { keys, service, passive } of this.#instances) {
      recorder.set(service, keys.every((key) => health.get(key) !== false) ? 1 : 0);
      recorder.set(passive, keys.some((key) => this.#ejected.has(key)) ? 0 : 1);
    }
    const counts = recorder.collect();
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

function recorded(plan: Plan, bounds: readonly number[]): Recorder {
  const recorder = new Recorder(bounds);
  for (const app of plan.apps) {
    for (const { id } of app.instances) {
      const { soft, hard } = limitsOf(app, id);
      if (soft === 0) continue;
      recorder.set(recorder.series(M.appSoftLimit, [app.name, id]), soft);
      if (hard !== null) recorder.set(recorder.series(M.appHardLimit, [app.name, id]), hard);
    }
  }
  return recorder;
}

/** Of all services that the instance backs, as `fly_app_concurrency` counts them; hard is null if one has none. */
function limitsOf({ services }: AppPlan, instance: string): { soft: number; hard: number | null } {
  const its = services.filter(({ upstreams }) => upstreams.some((upstream) => upstream.instance === instance));
  return {
    soft: its.reduce((sum, { concurrency }) => sum + concurrency.soft, 0),
    hard: its.reduce<number | null>(
      (sum, { concurrency: { hard } }) => (sum === null || hard === null ? null : sum + hard),
      0,
    ),
  };
}
