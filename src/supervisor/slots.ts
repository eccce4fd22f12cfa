import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { makeSelfSigned } from '../proxy/tls/self-signed.ts';
import type { Hub } from './hub.ts';
import { addressesOf } from './instances.ts';
import { LimitSeries } from './limit-series.ts';
import type { ListeningSocket } from './listening-socket.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { Colour } from './messages.ts';
import type { Predecessor } from './predecessor.ts';
import { Slot, type SlotHost } from './slot.ts';
import { SlotSeries } from './slot-series.ts';
import type { SlotStatus } from './status.ts';
import type { FoundHealth } from './succession.ts';
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

export const stopped = 'it was stopped before it was ready';
export const other = (colour: Colour): Colour => (colour === 'blue' ? 'green' : 'blue');

/** The generations that live: one serves, or did until the end, older ones drain, and one may start. */
export class Slots implements SlotHost {
  readonly log: Log;
  readonly workerEntry: string;
  readonly hub: Hub;
  readonly series: Record<Colour, SlotSeries>;
  /** Called when one has ended. */
  onEnded: () => void = () => {};
  readonly #listening: ListeningSockets;
  readonly #predecessor: Predecessor | null;
  readonly #ticketKeys: TicketKeys;
  /** Of each colour's newest generation that accepted: two of a colour have one set of limits. */
  readonly #limits = new Map<Colour, LimitSeries>();
  readonly #bounds: readonly number[];
  /** In the order of their generations. */
  #live: Slot[] = [];
  #serving: Slot | null = null;
  #generation: number;
  #closed = false;

  constructor({ log, workerEntry, hub, sockets, bounds, predecessor }: SlotsOptions) {
    this.log = log;
    this.workerEntry = workerEntry;
    this.hub = hub;
    this.#listening = sockets;
    this.#predecessor = predecessor;
    this.#bounds = bounds;
    const begin = predecessor?.begin;
    this.#generation = begin?.generation ?? 0;
    this.#ticketKeys = new TicketKeys(begin?.ticketKeys, begin?.ticketKeysSince);
    const made = (colour: Colour) =>
      new SlotSeries(colour, bounds, hub, begin?.generations[colour] ?? 0, () => this.statuses);
    this.series = { blue: made('blue'), green: made('green') };
    for (const each of Object.values(this.series)) hub.join(each);
  }

  /** The one that serves, or served last; null before the first. */
  get serving(): Slot | null {
    return this.#serving;
  }

  /** The newest. */
  get generation(): number {
    return this.#generation;
  }

  /** With those that drain in the supervisor before this one. */
  get statuses(): SlotStatus[] {
    return [...(this.#predecessor?.slots ?? []), ...this.#live.map(({ status }) => status)];
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
    const slot = new Slot(colour, generation, { ...plan, ...this.#selfSigned(plan) }, this);
    this.#live.push(slot);
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
    this.#limits.set(colour, new LimitSeries(slot, this.#bounds, this.hub));
    this.log.info({ slot: colour, generation, workers: plan.slots.workers }, 'the slot serves');
    return null;
  }

  async drain(slot: Slot, handover: boolean): Promise<void> {
    const serves = slot.state === 'accepting';
    await slot.drain(handover);
    if (serves) this.series[slot.colour].drained(performance.now() - slot.drainedSince!, slot.cut);
  }

  /** Drains all of them, and lets no other start. @returns the connections that were cut. */
  async drainAll(handover: boolean): Promise<number> {
    this.#closed = true;
    const slots = [...this.#live];
    await Promise.all(slots.map((slot) => this.drain(slot, handover)));
    return slots.reduce((cut, slot) => cut + slot.cut, 0);
  }

  /** Cuts what is left of the oldest where more drain than may. */
  cutOldest(maxDraining: number): void {
    this.hurry(this.statuses.filter(({ state }) => state === 'draining').length - maxDraining);
  }

  /** Cuts what is left of so many of the oldest. */
  hurry(generations: number): void {
    const before = this.#predecessor?.slots.length ?? 0;
    if (generations > 0 && before > 0) this.#predecessor!.hurry(generations);
    const draining = this.#live.filter(({ state }) => state === 'draining');
    for (const slot of draining.slice(0, Math.max(0, generations - before))) {
      if (slot.hurried) continue;
      const { colour, generation, status } = slot;
      const { connections } = status;
      this.log.warn({ slot: colour, generation, connections }, 'more generations drain than max_draining: it is cut');
      slot.hurry();
    }
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const slot of this.#live) slot.kill();
  }

  /** To be called once a second. */
  watch(): void {
    for (const slot of this.#live) slot.watch();
    if (this.#ticketKeys.due) this.rotateTicketKeys();
  }

  /** New TLS session tickets get a new key; those of the one before stay good. */
  rotateTicketKeys(): void {
    this.#ticketKeys.rotate();
    for (const slot of this.#live) slot.setTicketKeys(this.ticketKeys);
  }

  /** Slots that drain check no more: they learn what the one that serves finds out about the same instances. */
  learn(found: FoundHealth): void {
    this.#predecessor?.learn(found);
    for (const slot of this.#live) {
      if (slot.state !== 'draining') continue;
      const theirs = addressesOf(slot.plan);
      const same = found.filter(([key, address]) => theirs.get(key) === address);
      slot.learn(same.map(([key, , healthy]) => [key, healthy]));
    }
  }

  // SlotHost

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
    const addresses = addressesOf(slot.plan);
    this.learn(upstreams.map(([key, healthy]) => [key, addresses.get(key) ?? '', healthy]));
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
    this.#live = this.#live.filter((each) => each !== slot || each === this.#serving);
    this.hub.retain(this.#live.map(({ plan }) => plan));
    this.onEnded();
  }

  /** One for all workers, and over flips, so that a client sees the same one each time. */
  #selfSigned({ listeners, apps }: Plan): Pick<Plan, 'selfSigned'> {
    if (!listeners.some(({ ports }) => ports.some(({ tls }) => tls.defaultSelfSigned))) return {};
    const hostnames = apps.flatMap((app) => app.hostnames);
    const before = this.#serving?.plan ?? this.#predecessor?.begin.plan;
    const made = before?.selfSigned;
    const same = made !== undefined && hostnames.join() === before?.apps.flatMap((app) => app.hostnames).join();
    return { selfSigned: same ? made : makeSelfSigned(hostnames) };
  }
}
