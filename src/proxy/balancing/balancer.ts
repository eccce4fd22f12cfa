import type { Limits, ServicePlan } from '../../config/plan.ts';
import { type EdgeError, errors } from '../errors.ts';
import { clock } from '../transport/clock.ts';
import { Fill, type Upstream } from '../upstream/upstream.ts';
import type { Permits } from './permits.ts';
import { WaitingRoom } from './waiting.ts';

/** A request or raw connection that wants an instance. */
export interface Waiter {
  /** Instances that failed it already; null for none. */
  readonly tried: readonly Upstream[] | null;
  /** It has an instance, which counts it from now on. */
  assigned(upstream: Upstream): void;
  refused(error: EdgeError): void;
}

/**
 * Permits that were asked for are counted with for so long (milliseconds). The supervisor answers within one when it has
 * some; it answers later when another worker must give them back first, or when it is busy.
 */
const permitPatience = 20;

/** The instances of one service, the choice among them, and who waits when all are at their limit. */
export class Balancer {
  readonly plan: ServicePlan;
  readonly upstreams: Upstream[];
  readonly #limits: Limits;
  readonly #permits: Permits;
  readonly #waiting = new WaitingRoom();
  /** Upstreams whose permits are awaited. */
  #awaited = 0;
  #patience: NodeJS.Timeout | null = null;
  /** Those that wait are being served: whoever comes meanwhile comes after them. */
  #serving = false;

  constructor(plan: ServicePlan, upstreams: Upstream[], limits: Limits, permits: Permits) {
    this.plan = plan;
    this.upstreams = upstreams;
    this.#limits = limits;
    this.#permits = permits;
  }

  /** Calls `assigned` or `refused`, now or, when all instances are at their limit, within the queue's time. */
  seek(waiter: Waiter): void {
    if (this.#waiting.size === 0 && this.#awaited === 0) {
      const upstream = this.#choose(waiter.tried);
      if (upstream !== null) {
        upstream.enter();
        waiter.assigned(upstream);
        return;
      }
    }
    if (!this.#anyEligible(waiter.tried)) {
      waiter.refused(this.#nobody());
      return;
    }
    this.#waiting.enter(waiter, clock.now + this.#limits.queueTimeout);
    this.pump();
    this.#refuseSurplus();
  }

  /** The client left while waiting. */
  forget(waiter: Waiter): void {
    this.#waiting.leave(waiter);
  }

  /** The request or connection is over. */
  release(upstream: Upstream): void {
    const back = upstream.leave();
    if (back > 0) this.#permits.release(upstream.key, back);
    if (this.#waiting.size > 0) this.pump();
  }

  /** Permits below an upstream's hard limit came. */
  grant(upstream: Upstream, permits: number): void {
    if (upstream.awaited) this.#awaited--;
    upstream.grant(permits);
    this.pump();
  }

  /** Checks, outcomes or names have changed: those that are ejected serve all the same where nobody else could. */
  judge(): void {
    const { upstreams } = this;
    const sound = upstreams.some(({ checked, resolved, ejection }) => checked && resolved && ejection === 'in');
    for (const upstream of upstreams) {
      upstream.healthy = upstream.checked && upstream.resolved && (upstream.ejection !== 'out' || !sound);
      if (sound && upstream.ejection === 'trial') upstream.try();
      else upstream.most = Number.POSITIVE_INFINITY;
      if (!upstream.healthy) upstream.pool.clear();
    }
    this.pump();
  }

  /** Something came free, healthy or granted: serve those that wait, in order. */
  pump(): void {
    if (this.#serving) return;
    this.#serving = true;
    for (;;) {
      // Again after each refusal: who is refused may come back at once, with his next request.
      this.#serve();
      const hopeless = this.#waiting.find(({ tried }) => !this.#anyEligible(tried));
      if (hopeless === null) break;
      this.#waiting.next(hopeless).refused(this.#nobody());
    }
    this.#serving = false;
    if (this.#waiting.size > 0) this.#lease();
  }

  /** Ends what has waited too long. */
  expire(): void {
    for (let late = this.#waiting.late(clock.now); late !== null; late = this.#waiting.late(clock.now)) {
      late.refused(errors.queueTimeout);
    }
  }

  #serve(): void {
    const free: Upstream[] = [];
    while (this.#waiting.size > 0) {
      free.length = 0;
      for (const upstream of this.upstreams) if (upstream.healthy && upstream.hasPermit) free.push(upstream);
      if (free.length === 0) return;
      const lane = this.#waiting.find(({ tried }) => tried === null || free.some((each) => !tried.includes(each)));
      if (lane === null) return;
      const upstream = this.#choose(lane.tried)!;
      if (this.#awaited > 0 && this.#better(upstream.load)) return;
      upstream.enter();
      this.#waiting.next(lane).assigned(upstream);
    }
  }

  /** Below soft first, then below hard; then the fewest in flight; then at random. */
  #choose(tried: readonly Upstream[] | null): Upstream | null {
    const upstreams = this.upstreams;
    let best: Upstream | null = null;
    let bestFill: Fill = Fill.full;
    let ties = 1;
    let without: Upstream | null = null;
    for (let i = 0; i < upstreams.length; i++) {
      const upstream = upstreams[i]!;
      if (!upstream.healthy || tried?.includes(upstream)) continue;
      const fill = upstream.fill();
      if (fill === Fill.full) {
        if (upstream.mayAsk && (without === null || upstream.load < without.load)) without = upstream;
        continue;
      }
      if (best === null || fill < bestFill || (fill === bestFill && upstream.load < best.load)) {
        best = upstream;
        bestFill = fill;
        ties = 1;
      } else if (fill === bestFill && upstream.load === best.load && Math.random() * ++ties < 1) {
        best = upstream;
      }
    }
    // Other workers hold the permits of one that has less to do: for the next one, nobody waits for it.
    if (without !== null && best !== null && without.load < best.load) this.#ask(without, 1);
    return best;
  }

  /** Why there is no instance. */
  #nobody(): EdgeError {
    return this.upstreams.some(({ checked, resolved }) => checked && !resolved) ? errors.unresolved : errors.noInstance;
  }

  #anyEligible(tried: readonly Upstream[] | null): boolean {
    return this.upstreams.some((upstream) => upstream.healthy && !tried?.includes(upstream));
  }

  /** Whether all that wait find room, below this load, at instances whose permits will be here in a moment. */
  #better(load: number): boolean {
    return this.#roomAwaited(load) >= this.#waiting.size;
  }

  /** What instances whose permits are awaited could take until they have this load. */
  #roomAwaited(load: number): number {
    let room = 0;
    for (const upstream of this.upstreams) {
      if (!upstream.awaited || !upstream.healthy) continue;
      room += Math.max(0, Math.min(load, upstream.hard!) - upstream.load);
    }
    return room;
  }

  /** More wait than the queue takes and the permits that are awaited could be for: the newest are refused. */
  #refuseSurplus(): void {
    if (this.#waiting.size <= this.#limits.queueSize) return;
    const most = this.#limits.queueSize + this.#roomAwaited(Number.POSITIVE_INFINITY);
    while (this.#waiting.size > most) this.#waiting.newest().refused(errors.queueFull);
  }

  /** Ask for more of the hard limits; the answer comes as a grant, which pumps. */
  #lease(): void {
    let asked = 0;
    for (const upstream of this.upstreams) {
      if (!upstream.healthy || !upstream.mayAsk || upstream.hasPermit) continue;
      this.#ask(upstream, this.#waiting.size);
      upstream.awaited = true;
      asked++;
    }
    if (asked === 0) return;
    this.#awaited += asked;
    // What has come by then, though not been read, is read before the patience ends.
    this.#patience ??= setTimeout(() => setImmediate(() => this.#outOfPatience()), permitPatience);
  }

  #ask(upstream: Upstream, want: number): void {
    upstream.asking = true;
    this.#permits.lease(upstream.key, want);
  }

  /** Those whose permits did not come are at their limit, as far as one knows here. */
  #outOfPatience(): void {
    this.#patience = null;
    for (const upstream of this.upstreams) upstream.awaited = false;
    this.#awaited = 0;
    this.pump();
    this.#refuseSurplus();
  }
}
