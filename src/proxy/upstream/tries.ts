import { performance } from 'node:perf_hooks';
import type { Limits } from '../../config/plan.ts';
import type { EdgeError } from '../errors.ts';
import { clock } from '../transport/clock.ts';
import type { Upstream } from './upstream.ts';

/**
 * The one rule of what is tried again, with whom and until when: for requests and raw connections alike. What waits in the
 * queue, before the first try or between two, is not taken from the time for retries.
 */
export class Tries {
  /** Instances that could not be reached; null for none. */
  failed: Upstream[] | null = null;
  count = 0;
  /** When the first try began, later by what retries have waited in the queue; in `clock` milliseconds. */
  #firstAt = 0;
  /** When the last try ended. */
  #leftAt = 0;

  reset(): void {
    this.failed = null;
    this.count = 0;
  }

  begin(): void {
    if (this.count++ === 0) this.#firstAt = clock.now;
    else this.#firstAt += clock.now - this.#leftAt;
  }

  /** An instance could not be reached. @returns whether another one may be tried, and there is one. */
  mayTryAnother(error: EdgeError, at: Upstream, all: readonly Upstream[], limits: RetryLimits): boolean {
    if (!error.retry || error.reusedOnly || !this.#inTime(limits)) return false;
    const failed = (this.failed ??= []);
    failed.push(at);
    this.#leftAt = clock.now;
    return all.some((other) => other.healthy && !failed.includes(other));
  }

  /**
   * The connection broke before any byte of an answer came. A reused one may have been closed before the request reached it
   * (RFC 9112 9.3.1). @returns whether the request may go out again, on a new one.
   */
  mayTryAgain(error: EdgeError, reused: boolean, limits: RetryLimits): boolean {
    if (!error.retry || (error.reusedOnly && !reused) || !this.#inTime(limits)) return false;
    this.#leftAt = clock.now;
    return true;
  }

  #inTime({ retryAttempts, retryTime }: RetryLimits): boolean {
    return this.count <= retryAttempts && performance.now() - this.#firstAt <= retryTime;
  }
}

type RetryLimits = Pick<Limits, 'retryAttempts' | 'retryTime'>;
