import { isIPv6, type Server } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changes, unsupportedChanges } from '../config/changes.ts';
import { formatFault } from '../config/fault.ts';
import { type Address, formatAddress } from '../config/fields.ts';
import type { Loaded } from '../config/load.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { defaultBuckets } from '../metrics/buckets.ts';
import { discover } from '../metrics/discovery.ts';
import { Store } from '../metrics/merge.ts';
import { makeSelfSigned } from '../proxy/tls/self-signed.ts';
import { type ControlRequest, type ControlResponse, openControlSocket } from './control.ts';
import { Hub } from './hub.ts';
import type { ListeningSocket } from './listening-socket.ts';
import { ListeningSockets } from './listening-sockets.ts';
import type { Colour } from './messages.ts';
import { ScrapeEndpoint } from './scrape-endpoint.ts';
import { Slot, type SlotHost } from './slot.ts';
import { type FlipResult, SlotSeries } from './slot-series.ts';
import type { InstanceStatus, Status } from './status.ts';
import { rotationPeriod, TicketKeys } from './ticket-keys.ts';
import { version } from './version.ts';
import type { ExitCause } from './worker-process.ts';

export interface SupervisorOptions {
  log: Log;
  /** Where the plan came from; null when there is no file. */
  config?: string | null;
  /** Reads a configuration anew. */
  load?: (config: string | null) => Promise<Loaded>;
  /** File that a worker runs; the data path unless a test says otherwise. */
  workerEntry?: string;
}

/** What came of a restart: lines that say what changed, or why the slot that served before serves on. */
export type Restarted = { changes: string[] } | { fault: string };

/** A scrape waits this long for the workers' last counts. */
const flushTimeout = 250;
const watchInterval = 1_000;
const expireInterval = 60_000;
const closeTimeout = 1_000;

/** Beside this file in the sources as in the compiled package, with the same extension. */
const defaultEntry = fileURLToPath(new URL(`../proxy/worker${extname(import.meta.url)}`, import.meta.url));

/** Owns the listening sockets, the slots, the counts and the scrape endpoint; carries no traffic. */
export class Supervisor implements SlotHost {
  readonly log: Log;
  readonly workerEntry: string;
  readonly hub: Hub;
  /** Settled when nothing is left: all slots have ended and all sockets are closed. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #load: (config: string | null) => Promise<Loaded>;
  readonly #startedAt = performance.now();
  /** Of the slot that serves. */
  #plan: Plan;
  #config: string | null;
  #state: Status['state'] = 'starting';
  readonly #sockets = new ListeningSockets();
  /** Those that live, in the order of their generations, and the one that serves or did. */
  #slots: Slot[] = [];
  #serving: Slot | null = null;
  #generation = 0;
  readonly #store: Store;
  readonly #series: Record<Colour, SlotSeries>;
  readonly #scrape: ScrapeEndpoint;
  readonly #ticketKeys = new TicketKeys();
  /** App, and whose it is, for all apps that there ever were. */
  readonly #orgOf = new Map<string, string>();
  #control: Server | null = null;
  readonly #timers: NodeJS.Timeout[] = [];
  #stopped: Promise<number> | null = null;
  #flips: Promise<unknown> = Promise.resolve();
  #waiting: { config: string | null; restarted: Promise<Restarted> } | null = null;

  constructor(plan: Plan, { log, config = null, load, workerEntry = defaultEntry }: SupervisorOptions) {
    this.#plan = plan;
    this.#config = config;
    this.#load = load ?? (async () => ({ plan: this.#plan, faults: [], warnings: [] }));
    this.log = log;
    this.workerEntry = workerEntry;
    this.ended = this.#end.promise;
    const bounds = plan.metrics.buckets ?? defaultBuckets;
    this.#store = new Store({ machine: { region: plan.region, host: plan.host }, bounds });
    this.#series = { blue: new SlotSeries('blue', bounds), green: new SlotSeries('green', bounds) };
    this.hub = new Hub(this.#store, log);
    for (const colour of ['blue', 'green'] as const) this.#store.attach(ownWorker(colour));
    this.#scrape = new ScrapeEndpoint({
      store: this.#store,
      appsOf: (org) => this.#appsOf(org),
      serving: () => this.#serving?.state === 'accepting',
      beforeScrape: () => this.#flush(),
      discover: (self) => discover(this.#plan, self ?? formatAddress(this.#metricsAddress)),
    });
  }

  get ticketKeys(): Uint8Array[] {
    return this.#ticketKeys.keys;
  }

  get status(): Status {
    const { host: address, port } = this.#metricsAddress;
    return {
      version,
      pid: process.pid,
      uptime: Math.round((performance.now() - this.#startedAt) / 1000),
      state: this.#state,
      listeners: this.#sockets.all.map(({ key, address, port }) => ({ key, address, port })),
      metrics: { address, port },
      slots: this.#slots.map(({ status }) => status),
      instances: this.#instances(),
    };
  }

  /** Opens all sockets and starts the first slot. @returns null once it serves, else why it does not; then all is ended. */
  async start(): Promise<string | null> {
    const fault = (await this.#open()) ?? (await this.#serve('blue', this.#plan));
    if (fault !== null) {
      this.#close();
      return fault;
    }
    if (this.#state === 'starting') this.#state = 'serving';
    this.#timers.push(
      setInterval(() => this.#watch(), watchInterval),
      setInterval(() => this.#store.expire(), expireInterval),
      setInterval(() => this.rotateTicketKeys(), rotationPeriod),
    );
    return null;
  }

  /**
   * Brings up the other slot, with the configuration and the code that are on disk now, and drains the one that serves.
   * One at a time: a second one waits for the first, and those that would wait for the same are one.
   * @param config where to read it; without it, where it was read before.
   */
  restart(config = this.#config): Promise<Restarted> {
    if (this.#waiting?.config === config) return this.#waiting.restarted;
    const restarted = this.#flips.then(() => {
      if (this.#waiting === waiting) this.#waiting = null;
      return this.#flip(config);
    });
    const waiting = { config, restarted };
    this.#waiting = waiting;
    this.#flips = restarted;
    return restarted;
  }

  /** Drains all slots; then it ends. @returns the connections that were cut at the deadline. */
  stop(): Promise<number> {
    this.#stopped ??= this.#drainAll();
    return this.#stopped;
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  /** New TLS session tickets get a new key; those of the one before stay good. */
  rotateTicketKeys(): void {
    this.#ticketKeys.rotate();
    for (const slot of this.#slots) slot.setTicketKeys(this.ticketKeys);
  }

  // SlotHost

  sockets(plan: Plan): ListeningSocket[] {
    return this.#sockets.of(plan);
  }

  /** A slot that drains checks no more: it learns what the one that serves finds out about the same instances. */
  healthFound(slot: Slot, upstreams: [key: string, healthy: boolean][]): void {
    if (slot !== this.#serving) return;
    const addresses = addressesOf(slot.plan);
    for (const other of this.#slots) {
      if (other.state !== 'draining') continue;
      const theirs = addressesOf(other.plan);
      other.learn(upstreams.filter(([key]) => theirs.get(key) === addresses.get(key)));
    }
  }

  restarted(slot: Slot, cause: ExitCause): void {
    this.#series[slot.colour].workerRestarted(cause);
  }

  // Starting

  async #open(): Promise<string | null> {
    const { control } = this.#plan.slots;
    if (control !== null) {
      const opened = await openControlSocket(control, (request) => this.#command(request));
      if ('fault' in opened) return opened.fault;
      this.#control = opened;
    }
    return (await this.#scrape.open(this.#plan)) ?? (await this.#sockets.open(this.#plan));
  }

  /** Starts a slot, and lets it accept. @returns null once it serves, else why it does not; then it ends by itself. */
  async #serve(colour: Colour, plan: Plan): Promise<string | null> {
    if (this.#state === 'stopping') return stopped;
    const generation = ++this.#generation;
    const slot = new Slot(colour, generation, { ...plan, ...this.#selfSigned(plan) }, this);
    this.#slots.push(slot);
    this.#series[colour].started(generation);
    void slot.ended.then(() => this.#ended(slot));
    const fault = await slot.start();
    if (fault !== null) return fault;
    // A signal may have come in the meantime.
    if (slot.state !== 'ready') return stopped;
    this.hub.limit(plan);
    const refused = await slot.accept();
    if (refused !== null) {
      void slot.drain(true);
      return refused;
    }
    this.#serving = slot;
    this.#plan = plan;
    for (const app of plan.apps) this.#orgOf.set(app.name, app.org);
    this.log.info({ slot: colour, generation, workers: plan.slots.workers }, 'the slot serves');
    return null;
  }

  async #flip(config: string | null): Promise<Restarted> {
    const previous = this.#serving;
    if (previous === null || this.#state !== 'serving') return { fault: `the edge is ${this.#state}` };
    const before = this.#plan;
    const colour: Colour = previous.colour === 'blue' ? 'green' : 'blue';
    const { plan, faults, warnings } = await this.#load(config);
    for (const warning of warnings) this.log.warn(formatFault(warning));
    const refused = plan === null ? faults.map(formatFault) : unsupportedChanges(before, plan);
    if (plan === null || refused.length > 0) return this.#failed(colour, 'refused', refused.join('\n'));
    const unbound = await this.#sockets.open(plan);
    if (unbound !== null) return this.#failed(colour, 'refused', unbound);
    const fault = await this.#serve(colour, plan);
    if (fault !== null) {
      this.hub.limit(before);
      this.#sockets.retain(this.#state === 'serving' ? before : { ...before, listeners: [] });
      return this.#failed(colour, 'failed', fault);
    }
    this.#config = config;
    this.#series[colour].flipped('served');
    void this.#drain(previous, true);
    this.#sockets.retain(plan);
    this.#cutOldest();
    const { version: old, generation, status } = previous;
    const now = this.#serving!;
    const serves = `slot ${colour}, generation ${now.generation}, serves`;
    return {
      changes: [
        `${serves}; generation ${generation} drains, with ${status.connections} connections`,
        `version: ${now.version}${old === now.version ? '' : `; it was ${old}`}`,
        ...changes(before, plan),
      ],
    };
  }

  #failed(colour: Colour, result: FlipResult, fault: string): Restarted {
    this.#series[colour].flipped(result);
    for (const reason of fault.split('\n')) this.log.error({ slot: colour, reason }, 'the restart failed');
    return { fault };
  }

  /** One for all workers, and over flips, so that a client sees the same one each time. */
  #selfSigned({ listeners, apps }: Plan): Pick<Plan, 'selfSigned'> {
    if (!listeners.some(({ ports }) => ports.some(({ tls }) => tls.defaultSelfSigned))) return {};
    const hostnames = apps.flatMap((app) => app.hostnames);
    const made = this.#serving?.plan.selfSigned;
    const same = made !== undefined && hostnames.join() === this.#plan.apps.flatMap((app) => app.hostnames).join();
    return { selfSigned: same ? made : makeSelfSigned(hostnames) };
  }

  // Ending

  async #drain(slot: Slot, handover: boolean): Promise<void> {
    const serves = slot.state === 'accepting';
    await slot.drain(handover);
    if (serves) this.#series[slot.colour].drained(performance.now() - slot.drainedSince!, slot.cut);
  }

  /** One generation more than may drain together ends at once. */
  #cutOldest(): void {
    const draining = this.#slots.filter(({ state }) => state === 'draining');
    for (const slot of draining.slice(0, -this.#plan.slots.maxDraining)) {
      const { colour, generation, status } = slot;
      const { connections } = status;
      this.log.warn({ slot: colour, generation, connections }, 'more generations drain than max_draining: it is cut');
      slot.hurry();
    }
  }

  #ended(slot: Slot): void {
    const { colour, generation, cut } = slot;
    this.log.info({ slot: colour, generation, cut }, 'the slot has ended');
    this.#slots = this.#slots.filter((each) => each !== slot || each === this.#serving);
    this.hub.retain(this.#slots.map(({ plan }) => plan));
  }

  async #drainAll(): Promise<number> {
    this.#state = 'stopping';
    const slots = [...this.#slots];
    const draining = slots.map((slot) => this.#drain(slot, false));
    // Whoever comes now is refused by the kernel rather than kept waiting.
    this.#sockets.close();
    await Promise.all(draining);
    // After whoever asked for it was answered.
    setImmediate(() => this.#close());
    return slots.reduce((cut, slot) => cut + slot.cut, 0);
  }

  #close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.hub.close();
    this.#sockets.close();
    this.#scrape.close();
    if (this.#control === null) this.#end.resolve();
    else this.#control.close(() => this.#end.resolve());
    // A client that keeps its end open does not keep us.
    setTimeout(() => this.#end.resolve(), closeTimeout).unref();
  }

  // What is asked

  #watch(): void {
    for (const slot of this.#slots) slot.watch();
  }

  async #flush(): Promise<void> {
    await this.hub.flush(flushTimeout);
    const slots = this.#slots.map(({ status }) => status);
    for (const series of Object.values(this.#series)) {
      const counts = series.collect(slots);
      if (counts !== null) this.#store.apply(ownWorker(series.colour).id, counts);
    }
  }

  async #command(request: ControlRequest): Promise<ControlResponse> {
    switch (request.command) {
      case 'status':
        return { ok: true, status: this.status };
      case 'restart': {
        const restarted = await this.restart(request.config ?? this.#config);
        return 'fault' in restarted ? { ok: false, reason: restarted.fault } : { ok: true, ...restarted };
      }
      case 'stop':
        return { ok: true, cut: await this.stop() };
    }
  }

  /** Of the socket that is open, else of the plan. */
  get #metricsAddress(): Address {
    const { socket } = this.#scrape;
    return socket === null ? this.#plan.metrics : { host: socket.address, port: socket.port };
  }

  #appsOf(org: string): ReadonlySet<string> | undefined {
    if (!this.#plan.organizations.some(({ slug }) => slug === org)) return undefined;
    return new Set([...this.#orgOf].filter(([, owner]) => owner === org).map(([app]) => app));
  }

  #instances(): InstanceStatus[] {
    return this.#plan.apps.flatMap((app) =>
      app.services.flatMap(({ checks, upstreams }) =>
        upstreams.map(({ key, instance, host, port }): InstanceStatus => {
          const healthy = checks.length === 0 ? true : this.#serving?.health.get(key);
          return {
            app: app.name,
            instance,
            address: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`,
            health: healthy === undefined ? 'unknown' : healthy ? 'healthy' : 'unhealthy',
            inFlight: this.hub.inFlight(key),
          };
        }),
      ),
    );
  }
}

const stopped = 'it was stopped before it was ready';

/** The supervisor counts like a worker, one for each colour. */
const ownWorker = (colour: Colour) => ({ id: colour === 'blue' ? -1 : -2, colour, generation: 0 });

const addressesOf = ({ apps }: Plan): Map<string, string> =>
  new Map(
    apps.flatMap((app) => app.services.flatMap((s) => s.upstreams.map((u) => [u.key, formatAddress(u)] as const))),
  );
