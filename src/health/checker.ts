import type { CheckPlan, Plan, UpstreamPlan } from '../config/plan.ts';
import type { Probe } from './probe.ts';

export interface HealthChange {
  key: string;
  app: string;
  instance: string;
  healthy: boolean;
  /** The check that decided and why it failed; '' when healthy. */
  reason: string;
}

/** An upstream that has not passed yet is tried this often within its grace period: an app that boots is served soon. */
const graceInterval = 1_000;

/**
 * Runs the service checks of a plan. An upstream is healthy while all of its checks pass; one without checks is
 * healthy and never mentioned here.
 */
export class HealthChecker {
  readonly #upstreams: CheckedUpstream[];

  /**
   * @param known health as a checker before this one left it.
   * @param changed called when the health of an upstream was found or has changed.
   */
  constructor(
    plan: Plan,
    known: Iterable<[key: string, healthy: boolean]>,
    changed: (change: HealthChange) => void,
    run: Probe,
  ) {
    const before = new Map(known);
    this.#upstreams = plan.apps.flatMap((app) =>
      app.services.flatMap(({ checks, upstreams }) =>
        checks.length === 0
          ? []
          : upstreams.map((upstream) => {
              const report = (healthy: boolean, reason: string) =>
                changed({ key: upstream.key, app: app.name, instance: upstream.instance, healthy, reason });
              return new CheckedUpstream(upstream, checks, before.get(upstream.key) ?? null, report, run);
            }),
      ),
    );
  }

  /** Starts; settled when each check had a first result, good or bad. */
  async start(): Promise<void> {
    await Promise.all(this.#upstreams.map((upstream) => upstream.start()));
  }

  stop(): void {
    for (const upstream of this.#upstreams) upstream.stop();
  }
}

/** One upstream and its checks. */
class CheckedUpstream {
  readonly #upstream: UpstreamPlan;
  readonly #checks: CheckPlan[];
  readonly #report: (healthy: boolean, reason: string) => void;
  readonly #run: Probe;
  readonly #startedAt = performance.now();
  /** null: not known yet. */
  #healthy: boolean | null;
  /** By check: undefined before its first result, null when it passed, else why not. */
  readonly #results: (string | null | undefined)[];
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(
    upstream: UpstreamPlan,
    checks: CheckPlan[],
    healthy: boolean | null,
    report: (healthy: boolean, reason: string) => void,
    run: Probe,
  ) {
    this.#upstream = upstream;
    this.#checks = checks;
    this.#healthy = healthy;
    this.#report = report;
    this.#run = run;
    this.#results = checks.map(() => undefined);
  }

  async start(): Promise<void> {
    await Promise.all(this.#checks.map((_check, i) => this.#check(i, true)));
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #check(i: number, first: boolean): Promise<void> {
    const check = this.#checks[i]!;
    const began = performance.now();
    const result = await this.#run(check, this.#upstream);
    if (this.#stopped) return;
    this.#results[i] = result;
    this.#decide();
    const booting = result !== null && began - this.#startedAt < check.gracePeriod;
    const interval = booting ? Math.min(check.interval, graceInterval) : check.interval;
    // All begin together; from the second time on they are spread over the interval.
    const spread = first && !booting ? 0.5 + Math.random() / 2 : 1;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        void this.#check(i, false);
      },
      Math.max(0, interval * spread - (performance.now() - began)),
    );
    this.#timers.add(timer);
  }

  #decide(): void {
    const failed = this.#results.findIndex((result) => typeof result === 'string');
    if (failed < 0 && this.#results.includes(undefined)) return;
    const healthy = failed < 0;
    if (healthy === this.#healthy) return;
    this.#healthy = healthy;
    this.#report(healthy, healthy ? '' : `${title(this.#checks[failed]!)}: ${this.#results[failed]}`);
  }
}

const title = (check: CheckPlan): string => (check.type === 'tcp' ? 'tcp check' : `${check.method} ${check.path}`);
