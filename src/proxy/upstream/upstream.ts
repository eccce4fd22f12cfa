import type { ServicePlan, UpstreamPlan } from '../../config/plan.ts';
import type { Ejection } from '../../ipc/messages.ts';
import type { Name } from '../../resolver/name.ts';
import type { InstanceSeries } from '../series.ts';
import { Pool } from './pool.ts';

/** How full an instance is; the order is the order of preference. */
export const Fill = { belowSoft: 0, belowHard: 1, full: 2 } as const;
export type Fill = (typeof Fill)[keyof typeof Fill];

/**
 * One instance as one service reaches it: how much it has in flight here and elsewhere, its health,
 * and its idle connections.
 */
export class Upstream {
  readonly key: string;
  readonly instance: string;
  readonly host: string;
  readonly port: number;
  /** The path of its unix socket; undefined for TCP. */
  readonly path: string | undefined;
  /** Where the host is; null for an IP address. */
  readonly name: Name | null;
  readonly soft: number;
  readonly hard: number | null;
  readonly pooled: boolean;
  readonly series: InstanceSeries;
  readonly pool = new Pool();
  /** Gets traffic: see `Balancer.judge`. */
  healthy: boolean;
  /** Its service checks pass, or there are none. */
  checked = true;
  /** It fails its requests, as all workers together found. */
  ejection: Ejection = 'in';
  /** In flight here at most, whatever its limits: on trial, one more than what was there before. */
  most = Number.POSITIVE_INFINITY;
  /** Failures in a row here. */
  failures = 0;
  /** Told of failures, and of a success after some. */
  onOutcome: ((upstream: Upstream) => void) | null = null;
  /** Requests or connections that this worker has there. */
  inFlight = 0;
  /** The same of all other workers, as last reported. */
  others = 0;
  /** Permits below the hard limit that this worker holds (used and unused). */
  granted = 0;
  /** Permits to give back as soon as they come free: another worker waits for them. */
  owed = 0;
  /** A lease was asked for and has not been answered: one question at a time. */
  asking = false;
  /** It was asked for because nothing was free, a moment ago: the answer may change where the next one goes. */
  awaited = false;
  /** `inFlight` as the supervisor knows it. */
  reported = 0;

  constructor(plan: UpstreamPlan, service: ServicePlan, series: InstanceSeries, name: Name | null = null) {
    this.key = plan.key;
    this.instance = plan.instance;
    this.host = plan.host;
    this.port = plan.port;
    this.path = plan.path;
    this.name = name;
    this.healthy = this.resolved;
    this.soft = service.concurrency.soft;
    this.hard = service.concurrency.hard;
    this.pooled = service.concurrency.type === 'requests';
    this.series = series;
  }

  /** It is known where to connect to. */
  get resolved(): boolean {
    return this.name === null || this.name.found;
  }

  get load(): number {
    return this.inFlight + this.others;
  }

  get hasPermit(): boolean {
    if (this.inFlight >= this.most) return false;
    return this.hard === null || this.inFlight < this.granted - this.owed;
  }

  /** Whether the supervisor may have permits that were not asked for. */
  get mayAsk(): boolean {
    return this.hard !== null && !this.asking && this.granted < this.hard && this.inFlight < this.most;
  }

  fill(): Fill {
    if (!this.hasPermit) return Fill.full;
    return this.load < this.soft ? Fill.belowSoft : Fill.belowHard;
  }

  failed(): void {
    this.failures++;
    // Until the supervisor has heard of it, and says how it goes on.
    if (this.most !== Number.POSITIVE_INFINITY) this.most = 0;
    this.onOutcome?.(this);
  }

  /** To be called only where there are failures before it. */
  succeeded(): void {
    this.failures = 0;
    this.onOutcome?.(this);
  }

  /** One more request or connection; the caller has seen that it fits. */
  enter(): void {
    const before = this.load;
    this.inFlight++;
    this.series.concurrencyChanged(1);
    if (before < this.soft && before + 1 >= this.soft) this.series.softLimitReached();
    if (this.hard !== null && before < this.hard && before + 1 >= this.hard) this.series.hardLimitReached();
  }

  /** One less. Returns the permits that have to go back to the supervisor. */
  leave(): number {
    if (this.inFlight <= 0) throw new Error(`${this.key}: more left than entered`);
    this.inFlight--;
    if (this.most !== Number.POSITIVE_INFINITY) this.try();
    this.series.concurrencyChanged(-1);
    return this.takeOwed();
  }

  /** One request at a time; what outlasted the pause holds up no trial. */
  try(): void {
    this.most = Math.min(this.most, this.inFlight + 1);
  }

  /** A lease was answered: whatever was owed before is settled. */
  grant(permits: number): void {
    this.asking = false;
    this.awaited = false;
    this.owed = 0;
    this.granted += permits;
  }

  /** Permits to give back at once; of `owed`, what is still in use follows as it comes free. */
  recall(owed: number): number {
    const idle = Math.max(0, this.granted - this.inFlight);
    this.granted -= idle;
    this.owed = Math.max(0, owed - idle);
    return idle;
  }

  /** Permits owed and free now. */
  takeOwed(): number {
    const free = Math.min(this.owed, this.granted - this.inFlight);
    if (free <= 0) return 0;
    this.granted -= free;
    this.owed -= free;
    return free;
  }
}
