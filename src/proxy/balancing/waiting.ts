import type { Upstream } from '../upstream/upstream.ts';
import type { Waiter } from './balancer.ts';

/** A waiter's place among those that may go to the same instances. */
interface Place {
  readonly waiter: Waiter;
  readonly until: number;
  /** Rises in the order of coming, over all lanes. */
  readonly turn: number;
  readonly lane: Lane;
  before: Place | null;
  after: Place | null;
}

/** Those that may go to the same instances, in the order of coming. */
class Lane {
  /** Instances that failed each of them; null for none. */
  readonly tried: readonly Upstream[] | null;
  readonly name: string;
  first: Place | null = null;
  last: Place | null = null;

  constructor(tried: readonly Upstream[] | null, name: string) {
    this.tried = tried;
    this.name = name;
  }
}

/**
 * Who waits for an instance. In the order of coming, except that one who may not go to what is free (it has failed him
 * already) holds up nobody: those that differ in where they may go stand in lanes of their own. All steps but finding
 * a lane cost the same however many wait.
 */
export class WaitingRoom {
  readonly #places = new Map<Waiter, Place>();
  readonly #anywhere = new Lane(null, '');
  /** The lanes of retries, by the instances that failed them; those that are empty go. */
  readonly #retries = new Map<string, Lane>();
  #turn = 0;

  get size(): number {
    return this.#places.size;
  }

  enter(waiter: Waiter, until: number): void {
    const lane = this.#laneFor(waiter.tried);
    const place: Place = { waiter, until, turn: ++this.#turn, lane, before: lane.last, after: null };
    if (lane.last === null) lane.first = place;
    else lane.last.after = place;
    lane.last = place;
    this.#places.set(waiter, place);
  }

  /** Does nothing when it is not here. */
  leave(waiter: Waiter): void {
    const place = this.#places.get(waiter);
    if (place !== undefined) this.#remove(place);
  }

  /** The lane of the first who `may`, a question about his lane; null when none of those that wait may. */
  find(may: (lane: Lane) => boolean): Lane | null {
    let found: Lane | null = this.#anywhere.first !== null && may(this.#anywhere) ? this.#anywhere : null;
    for (const lane of this.#retries.values()) {
      if (found !== null && lane.first!.turn > found.first!.turn) continue;
      if (may(lane)) found = lane;
    }
    return found;
  }

  /** The first of a lane leaves it. */
  next(lane: Lane): Waiter {
    const place = lane.first!;
    this.#remove(place);
    return place.waiter;
  }

  /** The one who came last leaves. */
  newest(): Waiter {
    let place = this.#anywhere.last;
    for (const { last } of this.#retries.values()) if (place === null || last!.turn > place.turn) place = last;
    this.#remove(place!);
    return place!.waiter;
  }

  /** One whose time is over leaves; null when there is none. All wait equally long, so that it is the first of a lane. */
  late(now: number): Waiter | null {
    const lane = this.find(({ first }) => first!.until <= now);
    return lane === null ? null : this.next(lane);
  }

  #laneFor(tried: readonly Upstream[] | null): Lane {
    if (tried === null || tried.length === 0) return this.#anywhere;
    const name = tried
      .map(({ key }) => key)
      .sort()
      .join('\n');
    let lane = this.#retries.get(name);
    // A copy: the waiter's own grows with its next attempt.
    if (lane === undefined) this.#retries.set(name, (lane = new Lane([...tried], name)));
    return lane;
  }

  #remove({ waiter, lane, before, after }: Place): void {
    this.#places.delete(waiter);
    if (before === null) lane.first = after;
    else before.after = after;
    if (after === null) lane.last = before;
    else after.before = before;
    if (lane.first === null) this.#retries.delete(lane.name);
  }
}
