import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Address, formatAddress } from '../config/address.ts';
import { changes, unsupportedChanges } from '../config/changes.ts';
import { formatFault } from '../config/fault.ts';
import type { Loaded } from '../config/load.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { defaultBuckets } from '../metrics/buckets.ts';
import { discover } from '../metrics/discovery.ts';
import type { PageScope } from '../metrics/exposition.ts';
import { Store } from '../metrics/merge.ts';
import { protocol, series } from '../proxy/protocol.ts';
import { Volumes } from '../volumes/volumes.ts';
import { type ControlRequest, type ControlResponse, type ControlSocket, openControlSocket } from './control.ts';
import { Hub } from './hub.ts';
import { instancesOf } from './instances.ts';
import type { ListeningSocket } from './listening-socket.ts';
import { ListeningSockets } from './listening-sockets.ts';
import type { Colour } from './messages.ts';
import type { Predecessor } from './predecessor.ts';
import { ScrapeEndpoint } from './scrape-endpoint.ts';
import type { FlipResult } from './slot-series.ts';
import { other, Slots } from './slots.ts';
import type { Status } from './status.ts';
import type { Begin, ToPredecessor } from './succession.ts';
import { Successor } from './successor.ts';
import { Turns } from './turns.ts';
import { version } from './version.ts';

export interface SupervisorOptions {
  log: Log;
  /** Where the plan came from; null when there is no file. */
  config?: string | null;
  /** Reads a configuration anew. */
  load?: (config: string | null) => Promise<Loaded>;
  /** The supervisor that this one replaces. */
  predecessor?: Predecessor | null;
  /** File that a worker runs; the data path unless a test says otherwise. */
  workerEntry?: string;
}

/** What came of a restart: lines that say what changed, or why the slot that served before serves on. */
export type Restarted = { changes: string[] } | { fault: string };
export type Upgraded = { pid: number; changes: string[] } | { fault: string };

/** A scrape waits this long for the workers' last counts. */
const flushTimeout = 1_000;
const watchInterval = 1_000;
const expireInterval = 60_000;
const closeTimeout = 1_000;

/** Beside this file in the sources as in the compiled package, with the same extension. */
const defaultEntry = fileURLToPath(new URL(`../proxy/worker${extname(import.meta.url)}`, import.meta.url));

/** Owns the listening sockets, the slots, the counts and the scrape endpoint; carries no traffic. */
export class Supervisor {
  readonly #log: Log;
  readonly #hub: Hub;
  /** Settled when nothing is left: all slots have ended and all sockets are closed. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #load: (config: string | null) => Promise<Loaded>;
  readonly #startedAt = performance.now();
  readonly #predecessor: Predecessor | null;
  #successor: Successor | null = null;
  /** Of the slot that serves. */
  #plan: Plan;
  #config: string | null;
  #state: Status['state'] = 'starting';
  readonly #sockets = new ListeningSockets();
  readonly #slots: Slots;
  readonly #store: Store;
  readonly #scrape: ScrapeEndpoint;
  /** App, and whose it is, for all apps that there ever were. */
  readonly #orgOf: Map<string, string>;
  #control: ControlSocket | null = null;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #turns = new Turns();
  #stopped: Promise<number> | null = null;

  constructor(plan: Plan, options: SupervisorOptions) {
    const { log, config = null, load, predecessor = null, workerEntry = defaultEntry } = options;
    this.#plan = plan;
    this.#config = config;
    this.#load = load ?? (async () => ({ plan: this.#plan, faults: [], warnings: [] }));
    this.#predecessor = predecessor;
    this.#log = log;
    this.ended = this.#end.promise;
    this.#orgOf = new Map(predecessor?.begin.orgOf);
    const bounds = plan.metrics.buckets ?? defaultBuckets;
    const machine = { region: plan.region, host: plan.host };
    this.#store = new Store({ machine, bounds });
    this.#hub = new Hub(this.#store, log, predecessor?.begin.lastWorker ?? null);
    const [hub, sockets] = [this.#hub, this.#sockets];
    this.#slots = new Slots({ log, workerEntry, hub, sockets, bounds, predecessor });
    this.#slots.onEnded = () => this.#tellSlots();
    this.#scrape = new ScrapeEndpoint({
      store: this.#store,
      volumes: new Volumes({ log, machine, volumes: () => this.#plan.volumes ?? [] }),
      scopeOf: (org) => this.#scopeOf(org),
      serving: () => this.#slots.serving?.state === 'accepting',
      beforeScrape: () => this.#hub.flush(flushTimeout),
      discover: (self) => discover(this.#plan, self ?? formatAddress(this.#metricsAddress)),
    });
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
      slots: this.#slots.statuses,
      instances: instancesOf(this.#plan, this.#slots.serving?.health ?? new Map(), (key) => this.#hub.inFlight(key)),
    };
  }

  /** Opens all sockets and starts the first slot. @returns null once it serves, else why it does not; then all is ended. */
  async start(): Promise<string | null> {
    const fault = await (this.#predecessor === null ? this.#begin() : this.#takeOver(this.#predecessor));
    if (fault !== null) {
      this.#close();
      return fault;
    }
    if (this.#state === 'starting') this.#state = 'serving';
    this.#timers.push(
      setInterval(() => this.#watch(), watchInterval),
      setInterval(() => this.#store.expire(), expireInterval),
    );
    return null;
  }

  /**
   * Brings up the other slot, with the configuration and the code that are on disk now, and drains the one that serves.
   * One at a time: a second one waits for the first.
   * @param config where to read it; without it, where it was read before.
   */
  restart(config = this.#config): Promise<Restarted> {
    return this.#turns.take(`restart ${config}`, () => this.#flip(config));
  }

  /** Lets another program take over all but the connections that are open. @param program a Node binary and a main file. */
  upgrade(program: [node: string, main: string], config = this.#config): Promise<Upgraded> {
    return this.#turns.take(`upgrade ${program} ${config}`, () => this.#upgrade(program, config));
  }

  /** Drains all slots; then it ends. @returns the connections that were cut at the deadline. */
  stop(): Promise<number> {
    if (this.#stopped === null) {
      void this.#successor?.kill();
      this.#predecessor?.stop();
      this.#stopped = this.#drainAll(false);
    }
    return this.#stopped;
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#predecessor?.kill();
    this.#slots.kill();
  }

  /** New TLS session tickets get a new key; those of the one before stay good. */
  rotateTicketKeys(): void {
    this.#slots.rotateTicketKeys();
  }

  // Starting

  async #begin(): Promise<string | null> {
    return (
      (await this.#listenForCommands()) ??
      (await this.#scrape.open(this.#plan)) ??
      (await this.#sockets.open(this.#plan)) ??
      (await this.#serve('blue', this.#plan))
    );
  }

  async #takeOver(predecessor: Predecessor): Promise<string | null> {
    const { begin, sockets, metrics } = predecessor;
    const refused = unsupportedChanges(begin.plan, this.#plan);
    if (refused.length > 0) return refused.join('\n');
    for (const socket of sockets) this.#sockets.adopt(socket);
    const unbound = await this.#sockets.open(this.#plan);
    if (unbound !== null) return unbound;
    const colour = other(begin.colour);
    const takeValues = async () =>
      (await predecessor.takeValues(this.#hub, ({ store }) => this.#store.restore(store))) ??
      (await this.#scrape.open(this.#plan, metrics)) ??
      (await this.#listenForCommands(true));
    const fault = await this.#serve(colour, this.#plan, takeValues);
    if (fault !== null) return fault;
    this.#slots.series[colour].flipped('served');
    this.#sockets.retain(this.#plan);
    predecessor.serving(this.#changes(begin, begin.plan));
    return null;
  }

  async #listenForCommands(takeOver = false): Promise<string | null> {
    const { control } = this.#plan.slots;
    if (control === null) return null;
    const opened = await openControlSocket(control, (request) => this.#command(request), takeOver);
    if ('fault' in opened) return opened.fault;
    this.#control = opened;
    return null;
  }

  /** @returns null once a new slot serves, else why it does not. */
  async #serve(colour: Colour, plan: Plan, beforeAccept?: () => Promise<string | null>): Promise<string | null> {
    const fault = await this.#slots.serve(colour, plan, beforeAccept);
    if (fault !== null) return fault;
    this.#plan = plan;
    for (const app of plan.apps) this.#orgOf.set(app.name, app.org);
    return null;
  }

  // Flipping

  async #flip(config: string | null): Promise<Restarted> {
    const previous = this.#slots.serving;
    if (previous === null || this.#state !== 'serving') return { fault: `the edge is ${this.#state}` };
    const before = this.#plan;
    const colour = other(previous.colour);
    const { plan, faults, warnings } = await this.#load(config);
    for (const warning of warnings) this.#log.warn(formatFault(warning));
    const refused = plan === null ? faults.map(formatFault) : unsupportedChanges(before, plan);
    if (plan === null || refused.length > 0) return this.#failed(colour, 'refused', refused.join('\n'));
    const unbound = await this.#sockets.open(plan);
    if (unbound !== null) return this.#failed(colour, 'refused', unbound);
    const fault = await this.#serve(colour, plan);
    if (fault !== null) {
      this.#hub.limit(before);
      this.#sockets.retain(this.#state === 'serving' ? before : { ...before, listeners: [] });
      return this.#failed(colour, 'failed', fault);
    }
    this.#config = config;
    this.#slots.series[colour].flipped('served');
    void this.#slots.drain(previous, true);
    this.#sockets.retain(plan);
    this.#slots.cutOldest(plan.slots.maxDraining);
    return { changes: this.#changes(previous, before) };
  }

  async #upgrade(program: [string, string], config: string | null): Promise<Upgraded> {
    if (this.#slots.serving === null || this.#state !== 'serving') return { fault: `the edge is ${this.#state}` };
    const colour = other(this.#slots.serving.colour);
    if (config === null) return this.#failed(colour, 'refused', 'an edge without a configuration file is not upgraded');
    if (process.pid === 1) {
      const fault = 'the supervisor cannot be replaced: its end, as process 1, would end the container';
      return this.#failed(colour, 'refused', fault);
    }
    const successor = new Successor(program, config, (message) => void this.#hear(message));
    this.#successor = successor;
    const serving = await this.#succeed(successor);
    if (typeof serving !== 'string') {
      this.#log.info({ pid: serving.pid }, 'another supervisor has taken over');
      return serving;
    }
    await successor.kill();
    this.#successor = null;
    if (this.#state === 'serving') await this.#keep();
    return this.#failed(colour, 'failed', serving);
  }

  /** Leads a successor to the moment from which it leads. @returns what it tells then, or why it never will. */
  async #succeed(successor: Successor): Promise<{ pid: number; changes: string[] } | string> {
    const loaded = await successor.reached('loaded', this.#plan.slots.readyTimeout);
    if (typeof loaded === 'string') return loaded;
    successor.send(this.#beginning());
    for (const { key, handle } of [...this.#sockets.all, this.#scrape.socket!])
      successor.send({ type: 'socket', key }, handle);
    const ready = await successor.reached('ready', loaded.timeout);
    if (typeof ready === 'string') return ready;
    // From here on scrapes wait for the successor, so that none sees less than one before.
    this.#scrape.suspend();
    for (const each of Object.values(this.#slots.series)) {
      each.over = true;
      await each.flush();
    }
    successor.send(this.#hub.handOver((message) => successor.send(message)));
    const serving = await successor.reached('serving', loaded.timeout);
    if (typeof serving === 'string') return serving;
    this.#hub.relay();
    void this.#control?.close();
    this.#control = null;
    this.#stopped ??= this.#drainAll(true);
    return { pid: serving.pid, changes: serving.changes };
  }

  #beginning(): Begin {
    const { colour, plan } = this.#slots.serving!;
    const name = ({ key, address, port }: ListeningSocket) => ({ key, address, port });
    return {
      type: 'begin',
      protocol,
      series,
      version,
      plan,
      colour,
      generation: this.#slots.generation,
      generations: { blue: this.#slots.series.blue.generation, green: this.#slots.series.green.generation },
      // With room for replacements of workers that die meanwhile.
      lastWorker: this.#hub.lastWorker + 1_000_000,
      ticketKeys: this.#slots.ticketKeys,
      ticketKeysSince: this.#slots.ticketKeysSince,
      orgOf: [...this.#orgOf],
      sockets: this.#sockets.all.map(name),
      metrics: name(this.#scrape.socket!),
    };
  }

  /** The successor has failed: takes back what it may have got. */
  async #keep(): Promise<void> {
    this.#hub.keep();
    for (const each of Object.values(this.#slots.series)) each.over = false;
    const control = this.#control;
    let fault = this.#scrape.socket === null ? await this.#scrape.resume(this.#plan) : null;
    if (control !== null && !control.reached) {
      fault ??= await this.#listenForCommands(true);
      void control.close();
    }
    if (fault !== null) this.#log.error({ reason: fault }, 'what the failed upgrade had taken cannot be taken back');
  }

  async #hear(message: ToPredecessor): Promise<void> {
    // Until it serves it has nothing to say about what runs here.
    if (this.#state !== 'stopping' && message.type !== 'flush') return;
    switch (message.type) {
      case 'worker':
        this.#hub.deliver(message.worker, message.message);
        break;
      case 'health':
        this.#slots.learn(message.found);
        break;
      case 'flush':
        await this.#hub.flush(flushTimeout);
        this.#successor?.send({ type: 'flushed', id: message.id });
        break;
      case 'hurry':
        this.#slots.hurry(message.generations);
        break;
      case 'stop':
        this.#predecessor?.stop();
        void this.#slots.drainAll(false);
        break;
      case 'kill':
        this.kill();
        break;
    }
  }

  #failed(colour: Colour, result: FlipResult, fault: string): { fault: string } {
    this.#slots.series[colour].flipped(result);
    for (const reason of fault.split('\n')) this.#log.error({ slot: colour, reason }, 'the restart failed');
    return { fault };
  }

  /** A line for each kind of thing. @param previous what served before. */
  #changes(previous: { generation: number; version: string }, before: Plan): string[] {
    const { colour, generation, version } = this.#slots.serving!;
    return [
      `slot ${colour}, generation ${generation}, serves; generation ${previous.generation} drains`,
      `version: ${version}${previous.version === version ? '' : `; it was ${previous.version}`}`,
      ...changes(before, this.#plan),
    ];
  }

  // Ending

  /** @param handover to a successor, which accepts already. */
  async #drainAll(handover: boolean): Promise<number> {
    this.#state = 'stopping';
    const drained = this.#slots.drainAll(handover);
    this.#tellSlots();
    // Without a successor, whoever comes now is refused by the kernel rather than kept waiting.
    this.#sockets.close();
    const [cut] = await Promise.all([drained, this.#predecessor?.ended]);
    if (handover) {
      for (const each of Object.values(this.#slots.series)) await each.flush();
      this.#successor?.send({ type: 'done' });
      await this.#successor?.released;
      await this.#scrape.left();
    }
    // After whoever asked for it was answered.
    setImmediate(() => this.#close());
    return cut;
  }

  #close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#hub.close();
    this.#sockets.close();
    this.#scrape.close();
    if (this.#control === null) this.#end.resolve();
    else void this.#control.close().then(this.#end.resolve);
    // A client that keeps its end open does not keep us.
    setTimeout(() => this.#end.resolve(), closeTimeout).unref();
  }

  // What is asked, and what is watched

  #watch(): void {
    this.#slots.watch();
    this.#tellSlots();
  }

  /** The successor shows them as its own. */
  #tellSlots(): void {
    if (this.#state !== 'stopping') return;
    const slots = this.#slots.statuses.filter(({ state }) => state !== 'ended');
    this.#successor?.send({ type: 'slots', slots });
  }

  async #command(request: ControlRequest): Promise<ControlResponse> {
    const { command, config = this.#config } = request;
    switch (command) {
      case 'status':
        return { ok: true, status: this.status };
      case 'restart':
        return answer(await this.restart(config));
      case 'upgrade':
        if (request.program === undefined) return { ok: false, reason: 'no program' };
        return answer(await this.upgrade(request.program, config));
      case 'stop':
        return { ok: true, cut: await this.stop() };
    }
  }

  /** Of the socket that is open, else of the plan. */
  get #metricsAddress(): Address {
    const { socket } = this.#scrape;
    return socket === null ? this.#plan.metrics : { host: socket.address, port: socket.port };
  }

  #scopeOf(org: string): PageScope | undefined {
    const organization = this.#plan.organizations.find(({ slug }) => slug === org);
    if (organization === undefined) return undefined;
    const apps = new Set([...this.#orgOf].filter(([, owner]) => owner === org).map(([app]) => app));
    return { apps, unowned: organization.operator ?? false };
  }
}

const answer = <T extends object>(result: T | { fault: string }): (T & { ok: true }) | { ok: false; reason: string } =>
  'fault' in result ? { ok: false, reason: result.fault as string } : { ok: true, ...(result as T) };
