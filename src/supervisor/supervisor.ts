import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultBuckets } from '../base/buckets.ts';
import { Turns } from '../base/turns.ts';
import { version } from '../base/version.ts';
import { type Address, formatAddress } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { discover } from '../metrics/discovery.ts';
import { Store } from '../metrics/merge.ts';
import { partsOf } from '../metrics/parts.ts';
import { Volumes } from '../volumes/volumes.ts';
import { CommandSocket, type Commands, type Restarted, type Upgraded } from './commands.ts';
import { Configuration, type Load } from './configuration.ts';
import { type FlipParts, flip } from './flip.ts';
import { Handover } from './handover.ts';
import { Hub } from './hub.ts';
import { instancesOf } from './instances.ts';
import { internalFault } from './internal-fault.ts';
import { ListeningSockets } from './listening-sockets.ts';
import type { Predecessor } from './predecessor.ts';
import { ScrapeEndpoint } from './scrape-endpoint.ts';
import type { Slot } from './slot.ts';
import { Slots } from './slots.ts';
import type { Status } from './status.ts';
import { type TakeoverParts, takeOver } from './takeover.ts';

export interface SupervisorOptions {
  log: Log;
  /** Where the plan came from; null when there is no file. */
  config?: string | null;
  load?: Load;
  /** The supervisor that this one replaces. */
  predecessor?: Predecessor | null;
  /** Why no other may replace this one; null when one may. */
  irreplaceable?: string | null;
  /** File that a worker runs; the data path unless a test says otherwise. */
  workerEntry?: string;
}

const watchInterval = 1_000;
const expireInterval = 60_000;
const closeTimeout = 1_000;

/** Beside this file in the sources as in the compiled package, with the same extension. */
const defaultEntry = fileURLToPath(new URL(`../proxy/worker${extname(import.meta.url)}`, import.meta.url));

/** Owns the listening sockets, the slots, the counts and the scrape endpoint; carries no traffic. */
export class Supervisor implements Commands {
  /** Settled when nothing is left: all slots have ended and all sockets are closed. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #startedAt = performance.now();
  readonly #parts: FlipParts & TakeoverParts;
  readonly #predecessor: Predecessor | null;
  readonly #handover: Handover;
  readonly #turns = new Turns();
  readonly #timers: NodeJS.Timeout[] = [];
  #state: Status['state'] = 'starting';
  #stopped: Promise<number> | null = null;

  constructor(plan: Plan, options: SupervisorOptions) {
    const { log, config = null, load, predecessor = null, irreplaceable = null, workerEntry = defaultEntry } = options;
    this.ended = this.#end.promise;
    this.#predecessor = predecessor;
    const configuration = new Configuration(plan, config, load, predecessor?.begin.orgOf);
    const bounds = plan.metrics.buckets ?? defaultBuckets;
    const machine = { region: plan.region, host: plan.host };
    const store = new Store({ machine, bounds });
    const hub = new Hub(store, log, predecessor?.begin.lastWorker ?? null);
    const sockets = new ListeningSockets();
    const slots = new Slots({ log, workerEntry, hub, sockets, bounds, predecessor });
    const scrape = new ScrapeEndpoint({
      store,
      volumes: new Volumes({ log, machine, volumes: () => configuration.plan.volumes ?? [] }),
      scopeOf: (org) => configuration.scopeOf(org),
      hosts: () => configuration.plan.metrics.hosts,
      // `run --to` has no file.
      ...(config === null && { hostsKey: 'hosts in [metrics] of an edge.toml, and run with --config' }),
      serving: () => slots.serving?.state === 'accepting',
      beforeScrape: () => hub.flush(),
      discover: (self) =>
        discover(
          configuration.plan,
          self ?? formatAddress(this.#metricsAddress),
          (org) => partsOf(store, org ?? '', org === null ? undefined : configuration.scopeOf(org)).length,
        ),
    });
    const commands = new CommandSocket(plan.slots.control, this);
    this.#parts = { log, hub, store, sockets, slots, scrape, commands, configuration };
    this.#handover = new Handover({
      ...this.#parts,
      irreplaceable,
      leave: () => void (this.#stopped ??= this.#drainAll(true)),
    });
    slots.onEnded = () => this.#handover.tellSlots();
  }

  get status(): Status {
    const { hub, sockets, slots, configuration } = this.#parts;
    const { host: address, port } = this.#metricsAddress;
    return {
      version,
      pid: process.pid,
      uptime: Math.round((performance.now() - this.#startedAt) / 1000),
      state: this.#state,
      listeners: sockets.all.map(({ key, address, port }) => ({ key, address, port })),
      metrics: { address, port },
      slots: slots.generations.statuses,
      instances: instancesOf(
        configuration.plan,
        slots.serving?.health ?? new Map(),
        (key) => hub.inFlight(key),
        hub.outliers,
      ),
    };
  }

  /** Opens all sockets and starts the first slot. @returns null once it serves, else why it does not; then all is ended. */
  async start(): Promise<string | null> {
    const fault = await this.#begin().catch(internalFault);
    if (fault !== null) {
      this.#close();
      return fault;
    }
    const { configuration, store } = this.#parts;
    configuration.serves(configuration.plan);
    if (this.#state === 'starting') this.#state = 'serving';
    this.#timers.push(
      setInterval(() => this.#watch(), watchInterval),
      setInterval(() => store.expire(), expireInterval),
    );
    return null;
  }

  /**
   * Brings up the other slot, with the configuration and the code that are on disk now, and drains the one that serves.
   * One at a time: a second one waits for the first.
   * @param config where to read it; without it, where it was read before.
   */
  restart(config = this.#parts.configuration.file): Promise<Restarted> {
    const job = () => this.#whileServing((slot) => flip(slot, config, this.#parts));
    return this.#turns.take(`restart ${config}`, job);
  }

  /** Lets another program take over all but the connections that are open. @param program a Node binary and a main file. */
  upgrade(program: [node: string, main: string], config = this.#parts.configuration.file): Promise<Upgraded> {
    const job = () => this.#whileServing(() => this.#handover.begin(program, config));
    return this.#turns.take(`upgrade ${program} ${config}`, job);
  }

  /** Drains all slots; then it ends. @returns the connections that were cut at the deadline. */
  stop(): Promise<number> {
    if (this.#stopped === null) {
      this.#handover.abort();
      this.#stopped = this.#drainAll(false);
    }
    return this.#stopped;
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#parts.slots.generations.kill();
  }

  /** New TLS session tickets get a new key; those of the one before stay good. */
  rotateTicketKeys(): void {
    this.#parts.slots.rotateTicketKeys();
  }

  /** Every worker of every generation opens its log file anew. */
  reopenLogs(): void {
    this.#parts.hub.tellAll({ type: 'reopenLogs' });
  }

  async #begin(): Promise<string | null> {
    if (this.#predecessor !== null) return takeOver(this.#predecessor, this.#parts);
    const { sockets, slots, scrape, commands, configuration } = this.#parts;
    const { plan } = configuration;
    return (
      (await commands.listen()) ??
      (await scrape.open(plan)) ??
      (await sockets.open(plan)) ??
      (await slots.serve('blue', plan))
    );
  }

  async #whileServing<T>(job: (slot: Slot) => Promise<T>): Promise<T | { fault: string }> {
    const slot = this.#parts.slots.serving;
    if (slot === null || this.#state !== 'serving') return { fault: `the edge is ${this.#state}` };
    try {
      return await job(slot);
    } catch (error) {
      // Nothing that a command meets may end the edge.
      this.#parts.log.error({ err: error }, 'a command failed');
      return { fault: internalFault(error) };
    }
  }

  /** @param handover to a successor, which accepts already. */
  async #drainAll(handover: boolean): Promise<number> {
    this.#state = 'stopping';
    const drained = this.#parts.slots.drainAll(handover);
    this.#handover.tellSlots();
    // Without a successor, whoever comes now is refused by the kernel rather than kept waiting.
    this.#parts.sockets.close();
    const [cut] = await Promise.all([drained, this.#predecessor?.ended]);
    if (handover) await this.#handover.finish();
    // After whoever asked for it was answered.
    setImmediate(() => this.#close());
    return cut;
  }

  #close(): void {
    const { hub, sockets, scrape, commands } = this.#parts;
    for (const timer of this.#timers) clearInterval(timer);
    hub.close();
    sockets.close();
    scrape.close();
    void commands.close().then(this.#end.resolve);
    // A client that keeps its end open does not keep us.
    setTimeout(() => this.#end.resolve(), closeTimeout).unref();
  }

  #watch(): void {
    this.#parts.slots.watch();
    this.#handover.tellSlots();
  }

  /** The address of the socket that is open, else of the plan. */
  get #metricsAddress(): Address {
    const { scrape, configuration } = this.#parts;
    const { socket } = scrape;
    return socket === null ? configuration.plan.metrics : { host: socket.address, port: socket.port };
  }
}
