/** The limits that a generation's instances have, beside what is in flight: `fly_app_soft_limit`, `fly_app_hard_limit`. */

import type { AppPlan, Plan } from '../config/plan.ts';
import { M } from '../metrics/catalogue.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Hub } from './hub.ts';
import { type HubWorker, limitsIndex } from './hub-worker.ts';
import type { Slot } from './slot.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** Of one generation: what counts for the hub, like a worker of it. */
export class LimitSeries implements HubWorker {
  readonly identity: WorkerIdentity;
  readonly #hub: Hub;

  /** Told from now on, until `leave`; those of the colour's generations before are not. */
  constructor({ colour, generation, plan }: Slot, bounds: readonly number[], hub: Hub) {
    this.identity = { id: hub.nextWorkerId(), colour, generation, index: limitsIndex };
    this.#hub = hub;
    hub.endLimits(colour);
    hub.join(this);
    const counts = recorded(plan, bounds).collect();
    if (counts !== null) hub.message(this, { type: 'counts', flush: 0, counts, inFlight: [], connections: 0 });
  }

  leave(): void {
    this.#hub.leave(this);
  }

  /** They do not change. */
  async flush(): Promise<void> {}

  /** Nothing is said to it. */
  send(): void {}
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
