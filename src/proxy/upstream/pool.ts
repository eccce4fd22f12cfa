import { clock } from '../transport/clock.ts';
import type { UpstreamConnection } from './connection.ts';

/** A request that can't be repeated gets a connection only when it was used this recently (milliseconds). */
const freshEnough = 1_000;

/**
 * Connections to one instance that wait for a request. The one that was used last is taken first: it is the least likely to have
 * been closed by the instance.
 */
export class Pool {
  readonly #parked: UpstreamConnection[] = [];

  get size(): number {
    return this.#parked.length;
  }

  /** Takes one out. @param repeatable whether the request may be sent twice: it may take one that has gone stale. */
  take(repeatable: boolean): UpstreamConnection | undefined {
    const newest = this.#parked.at(-1);
    if (newest === undefined || (!repeatable && clock.now - newest.parkedAt > freshEnough)) return undefined;
    return this.#parked.pop();
  }

  /** @param most that it may hold. @returns whether it had room. */
  park(connection: UpstreamConnection, most: number): boolean {
    if (this.#parked.length >= most) return false;
    connection.parkedAt = clock.now;
    this.#parked.push(connection);
    return true;
  }

  /** One has closed. */
  remove(connection: UpstreamConnection): void {
    const at = this.#parked.indexOf(connection);
    if (at >= 0) this.#parked.splice(at, 1);
  }

  /** Closes all of these; each leaves the pool as it closes. */
  clear(which: (connection: UpstreamConnection) => boolean = () => true): void {
    for (const connection of [...this.#parked]) if (which(connection)) connection.destroy();
  }
}
