import type { Colour } from '../base/counts.ts';
import type { ListeningSocket } from '../base/listening-socket.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { Generations } from './generations.ts';
import type { Hub } from './hub.ts';
import { addressesOf } from './instances.ts';
import { LimitSeries } from './limit-series.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { Predecessor } from './predecessor.ts';
import { withSelfSigned } from './self-signed.ts';
import { Slot } from './slot.ts';
import type { SlotOwner } from './slot-owner.ts';
import { type FlipResult, SlotSeries } from './slot-series.ts';
import { TicketKeys } from './ticket-keys.ts';
import type { ExitCause } from './worker-process.ts';

export interface SlotsOptions {
  log: Log;
  /** File that a worker runs. */
  workerEntry: string;
  hub: Hub;
  sockets: ListeningSockets;
  /** Bounds of histograms. */
  bounds: readonly number[];
  /** The supervisor before this one, whose slots drain there. */
  predecessor: Predecessor | null;
}

const stopped = 'it was stopped before it was ready';
export const other = (colour: Colour): Colour => (colour === 'blue' ? 'green' : 'blue');

/** Brings up one generation after the other: one serves, or did until the end, older ones drain, and one may start. */
export class Slots implements SlotOwner {
  readonly log: Log;
  readonly workerEntry: string;
  readonly hub: Hub;
  readonly series: Record<Colour, SlotSeries>;
  readonly generations: Generations;
  /** Called when one has ended. */
  onEnded: () => void = () => {};
  readonly #listening: ListeningSockets;
  /** That the supervisor before this one served. */
  readonly #planBefore: Plan | undefined;
  readonly #ticketKeys: TicketKeys;
  /** The limits of each colour's newest generation that accepted: two of a colour have one set of limits. */
  readonly #limits = new Map<Colour, LimitSeries>();
  readonly #bounds: readonly number[];
  #serving: Slot | null = null;
  #generation: number;
  #closed = false;

  constructor({ log, workerEntry, hub, sockets, bounds, predecessor }: SlotsOptions) {
    this.log = log;
    this.workerEntry = workerEntry;
    this.hub = hub;
    this.#listening = sockets;
    this.generations = new Generations(log, predecessor);
    this.#planBefore = predecessor?.begin.plan;
    this.#bounds = bounds;
    hub.outliers.checked = (key) => this.#serving?.health.get(key) !== false;
    const begin = predecessor?.begin;
    this.#generation = begin?.generation ?? 0;
    this.#ticketKeys = new TicketKeys(begin?.ticketKeys, begin?.ticketKeysSince);
    const made = (colour: Colour) =>
      new SlotSeries(colour, bounds, hub, begin?.generations[colour] ?? 0, () => this.generations.statuses);
    this.series = { blue: made('blue'), green: made('green') };
    for (const each of Object.values(this.series)) hub.join(each);
  }

  /** The one that serves, or served last; null before the first. */
  get serving(): Slot | null {
    return this.#serving;
  }

  /** Whether no other may start any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The newest. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Starts a slot, and lets it accept; the one that served before goes on.
   * @param beforeAccept what else must succeed in between.
   * @returns null once it serves, else why it does not; then it ends by itself.
   */
  async serve(
    colour: Colour,
    plan: Plan,
    beforeAccept = async (): Promise<string | null> => null,
  ): Promise<string | null> {
    if (this.#closed) return stopped;
    const generation = ++this.#generation;
    const before = this.#serving?.plan ?? this.#planBefore;
    const slot = new Slot(colour, generation, withSelfSigned(plan, before), this);
    try {
      return await this.#bringUp(slot, beforeAccept);
    } catch (error) {
      // Some of its workers may accept already.
      if (slot.state === 'starting') slot.kill();
      else void slot.drain(true);
      throw error;
    }
  }

  async #bringUp(slot: Slot, beforeAccept: () => Promise<string | null>): Promise<string | null> {
    const { colour, generation, plan } = slot;
    this.generations.add(slot);
    this.series[colour].started(generation);
    void slot.ended.then(() => this.#ended(slot));
    const fault = (await slot.start()) ?? (await beforeAccept());
    if (fault !== null) {
      slot.kill();
      return fault;
    }
    // A signal may have come in the meantime.
    if (slot.state !== 'ready') return stopped;
    this.hub.limit(plan);
    const refused = await slot.accept();
    if (refused !== null) {
      void slot.drain(true);
      return refused;
    }
    this.#serving = slot;
    // Its first checks may have found others than those of the slot before.
    this.hub.outliers.reconsider();
    this.#limits.set(colour, new LimitSeries(slot, this.#bounds, this.hub));
    this.log.info({ slot: colour, generation, workers: plan.slots.workers }, 'the slot serves');
    return null;
  }

  async drain(slot: Slot, handover: boolean): Promise<void> {
    const serves = slot.state === 'accepting';
    await slot.drain(handover);
    if (serves) this.series[slot.colour].drained(performance.now() - slot.drainedSince!, slot.cut);
  }

  /**
   * Drains all of them, and lets no other start.
   * @param handover to another supervisor, which accepts already. @returns the connections that were cut.
   */
  async drainAll(handover: boolean): Promise<number> {
    this.#closed = true;
    if (!handover) this.generations.stop();
    const slots = [...this.generations.slots];
    await Promise.all(slots.map((slot) => this.drain(slot, handover)));
    return slots.reduce((cut, slot) => cut + slot.cut, 0);
  }

  /** Counts and tells that the one that serves goes on. @param result of what was to bring up `colour`. */
  failed(colour: Colour, result: FlipResult, fault: string): { fault: string } {
    this.series[colour].flipped(result);
    for (const reason of fault.split('\n')) this.log.error({ slot: colour, reason }, 'the restart failed');
    return { fault };
  }

  /** To be called once a second. */
  watch(): void {
    for (const slot of this.generations.slots) slot.watch();
    if (this.#ticketKeys.due) this.rotateTicketKeys();
  }

  /** New TLS session tickets get a new key; those of the one before stay good. */
  rotateTicketKeys(): void {
    this.#ticketKeys.rotate();
    for (const slot of this.generations.slots) slot.setTicketKeys(this.ticketKeys);
  }

  // SlotOwner

  get ticketKeys(): Uint8Array[] {
    return this.#ticketKeys.keys;
  }

  get ticketKeysSince(): number {
    return this.#ticketKeys.since;
  }

  sockets(plan: Plan): ListeningSocket[] {
    return this.#listening.of(plan);
  }

  healthFound(slot: Slot, upstreams: [key: string, healthy: boolean][]): void {
    if (slot !== this.#serving) return;
    this.hub.outliers.reconsider();
    const addresses = addressesOf(slot.plan);
    this.generations.learn(upstreams.map(([key, healthy]) => [key, addresses.get(key) ?? '', healthy]));
  }

  restarted(slot: Slot, cause: ExitCause): void {
    this.series[slot.colour].workerRestarted(cause);
  }

  #ended(slot: Slot): void {
    const { colour, generation, cut } = slot;
    this.log.info({ slot: colour, generation, cut }, 'the slot has ended');
    if (this.#limits.get(colour)?.identity.generation === generation) {
      this.#limits.get(colour)!.leave();
      this.#limits.delete(colour);
    }
    if (slot !== this.#serving) this.generations.remove(slot);
    this.hub.retain(this.generations.slots.map(({ plan }) => plan));
    this.onEnded();
  }
}
