import { performance } from 'node:perf_hooks';
import type { Limits } from '../../config/plan.ts';
import type { Balancer } from '../balancing/balancer.ts';
import type { Context } from '../context.ts';
import type { EdgeError } from '../errors.ts';
import { UpstreamConnection, type UpstreamEvents } from '../upstream/connection.ts';
import { Tries } from '../upstream/tries.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** RFC 9110 9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export const isIdempotent = (method: string): boolean => idempotent.has(method);

/**
 * The tries of one request: which instances failed it, the connection of the present one, and what the series of
 * an instance get of each try. One of these serves all requests of a client's connection.
 */
export class Attempt {
  readonly #tries = new Tries();
  upstream: Upstream | null = null;
  connection: UpstreamConnection | null = null;
  /** Id of the instance that was tried last. */
  instance = '';
  /** Milliseconds between the first byte sent and the head of the answer; taken for the access log only. */
  waited = 0;
  /** The next try must not take a pooled connection: one was stale. */
  #fresh = false;
  /** Milliseconds of `performance.now()`. */
  #sentAt = 0;
  /** Status of the instance's answer that has begun and not ended; 0 for none. */
  #status = 0;

  reset(): void {
    this.#tries.reset();
    this.instance = '';
    this.waited = 0;
    this.#fresh = false;
    this.#status = 0;
  }

  /** Takes a pooled connection (true), or begins to make one (false). @param repeatable may be sent twice. */
  begin(upstream: Upstream, user: UpstreamEvents, { sweep, limits }: Context, repeatable: boolean): boolean {
    this.upstream = upstream;
    this.instance = upstream.instance;
    this.#tries.begin();
    const pooled = upstream.pooled && !this.#fresh ? upstream.pool.take(repeatable) : undefined;
    if (pooled === undefined) {
      this.connection = new UpstreamConnection(upstream, user, sweep, limits.connectTimeout);
      return false;
    }
    pooled.take(user);
    this.connection = pooled;
    return true;
  }

  /** The first byte of the request goes out. */
  sent(): void {
    this.#sentAt = performance.now();
  }

  /** The instance's final head arrived. */
  answered(status: number, timed: boolean): void {
    this.#status = status;
    if (timed) this.waited = performance.now() - this.#sentAt;
    const upstream = this.upstream!;
    upstream.series.responseBegun(status);
    // The head of a trial or a tunnel tells enough; else what comes after it counts, too.
    if (upstream.failures > 0 && (upstream.ejection === 'trial' || status === 101)) upstream.succeeded();
  }

  /** Its last byte arrived, or it broke off. */
  ended(now: number): void {
    if (this.#status === 0) return;
    this.upstream!.series.responseEnded(this.#status, (now - this.#sentAt) / 1000);
    this.#status = 0;
  }

  /** The whole answer arrived. */
  complete(): void {
    if (this.upstream!.failures > 0) this.upstream!.succeeded();
  }

  /** Only what the instance did counts against it: neither the client's faults nor the edge's own. */
  failed({ source }: EdgeError): void {
    if (source === 'instance') this.upstream?.failed();
  }

  /** The instance has no more to do with this request. @param whole request and answer went through to their ends. */
  leave(balancer: Balancer, whole: boolean, reusable: boolean, { limits }: Context, now: number): void {
    const upstream = this.upstream!;
    const connection = this.connection!;
    this.ended(now);
    this.upstream = null;
    this.connection = null;
    if (whole && reusable && upstream.pooled) connection.park(limits.poolSize, limits.poolIdleTimeout);
    else if (whole) connection.leave();
    else connection.destroy();
    balancer.release(upstream);
  }

  get tried(): readonly Upstream[] | null {
    return this.#tries.failed;
  }

  get count(): number {
    return this.#tries.count;
  }

  /** The instance could not be reached. @returns whether another one may be tried. */
  mayTryAnother(error: EdgeError, at: Upstream, balancer: Balancer, limits: Limits): boolean {
    return this.#tries.mayTryAnother(error, at, balancer.upstreams, limits);
  }

  /** The connection broke before the answer. @returns whether the request may go out again, on a new one. */
  mayTryAgain(error: EdgeError, reused: boolean, limits: Limits): boolean {
    this.#fresh = this.#tries.mayTryAgain(error, reused, limits);
    return this.#fresh;
  }
}
