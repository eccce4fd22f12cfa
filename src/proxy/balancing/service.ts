import type { Limits, ServicePlan } from '../../config/plan.ts';
import { clock } from '../clock.ts';
import { type EdgeError, errors } from '../errors.ts';
import type { ProxyHost } from '../host.ts';
import { Fill, type Upstream } from '../upstream/upstream.ts';

/** A request or raw connection that wants an instance. */
export interface Seeker {
  /** Instances that failed it already; null for none. */
  readonly tried: Upstream[] | null;
  /** It has an instance, which counts it from now on. */
  assigned(upstream: Upstream): void;
  refused(error: EdgeError): void;
}

interface Waiting {
  seeker: Seeker;
  until: number;
}

/** The instances of one service, the choice among them, and the queue for when all are at their limit. */
export class Service {
  readonly plan: ServicePlan;
  readonly upstreams: Upstream[];
  readonly #limits: Limits;
  readonly #host: ProxyHost;
  #queue: Waiting[] = [];

  constructor(plan: ServicePlan, upstreams: Upstream[], limits: Limits, host: ProxyHost) {
    this.plan = plan;
    this.upstreams = upstreams;
    this.#limits = limits;
    this.#host = host;
  }

  /** Calls `assigned` or `refused`, now or, when all instances are at their limit, within the queue's time. */
  seek(seeker: Seeker): void {
    const upstream = this.#queue.length === 0 ? this.#choose(seeker.tried) : null;
    if (upstream !== null) {
      upstream.enter();
      seeker.assigned(upstream);
      return;
    }
    if (!this.#anyEligible(seeker.tried)) {
      seeker.refused(errors.noInstance);
      return;
    }
    if (this.#queue.length >= this.#limits.queueSize) {
      seeker.refused(errors.queueFull);
      return;
    }
    this.#queue.push({ seeker, until: clock.now + this.#limits.queueTimeout });
    this.#lease(seeker.tried);
  }

  /** The client left while waiting. */
  forget(seeker: Seeker): void {
    const at = this.#queue.findIndex((waiting) => waiting.seeker === seeker);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /** The request or connection is over. */
  release(upstream: Upstream): void {
    const back = upstream.leave();
    if (back > 0) this.#host.release(upstream.key, back);
    if (this.#queue.length > 0) this.pump();
  }

  /** Something came free, healthy or granted: serve the queue in order. */
  pump(): void {
    while (this.#queue.length > 0) {
      const { seeker } = this.#queue[0]!;
      const upstream = this.#choose(seeker.tried);
      if (upstream === null) {
        if (this.#anyEligible(seeker.tried)) {
          this.#lease(seeker.tried);
          return;
        }
        this.#queue.shift();
        seeker.refused(errors.noInstance);
        continue;
      }
      this.#queue.shift();
      upstream.enter();
      seeker.assigned(upstream);
    }
  }

  /** Ends what has waited too long. */
  expire(): void {
    while (this.#queue.length > 0 && this.#queue[0]!.until <= clock.now) {
      this.#queue.shift()!.seeker.refused(errors.queueTimeout);
    }
  }

  /** Below soft first, then below hard; then the fewest in flight; then at random. */
  #choose(tried: Upstream[] | null): Upstream | null {
    const upstreams = this.upstreams;
    let best: Upstream | null = null;
    let bestFill: Fill = Fill.full;
    let ties = 1;
    for (let i = 0; i < upstreams.length; i++) {
      const upstream = upstreams[i]!;
      if (!upstream.healthy || tried?.includes(upstream)) continue;
      const fill = upstream.fill();
      if (fill === Fill.full) continue;
      if (best === null || fill < bestFill || (fill === bestFill && upstream.load < best.load)) {
        best = upstream;
        bestFill = fill;
        ties = 1;
      } else if (fill === bestFill && upstream.load === best.load && Math.random() * ++ties < 1) {
        best = upstream;
      }
    }
    return best;
  }

  #anyEligible(tried: Upstream[] | null): boolean {
    return this.upstreams.some((upstream) => upstream.healthy && !tried?.includes(upstream));
  }

  /** Ask for more of the hard limits; the answer comes as a grant, which pumps. */
  #lease(tried: Upstream[] | null): void {
    for (const upstream of this.upstreams) {
      if (upstream.hard === null || !upstream.healthy || tried?.includes(upstream)) continue;
      if (upstream.asking || upstream.hasPermit || upstream.granted >= upstream.hard) continue;
      upstream.asking = true;
      this.#host.lease(upstream.key, this.#queue.length);
    }
  }
}
