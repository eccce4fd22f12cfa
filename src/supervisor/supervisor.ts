import { randomBytes } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, isIPv6, type Server } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { defaultBuckets } from '../metrics/buckets.ts';
import { Store } from '../metrics/merge.ts';
import { processSeries } from '../metrics/process.ts';
import { createScrapeServer } from '../metrics/scrape.ts';
import { makeSelfSigned } from '../proxy/tls/self-signed.ts';
import { type ControlRequest, type ControlResponse, openControlSocket } from './control.ts';
import { InFlight } from './in-flight.ts';
import { type LeaseStep, Leases } from './leases.ts';
import { bindFault, type ListeningSocket, openListeningSocket } from './listening-socket.ts';
import type { Colour, FromWorker } from './messages.ts';
import { Slot, type SlotHost } from './slot.ts';
import type { InstanceStatus, Status } from './status.ts';
import { version } from './version.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface SupervisorOptions {
  log: Log;
  /** File that a worker runs; the data path unless a test says otherwise. */
  workerEntry?: string;
}

/** A scrape waits this long for the workers' last counts. */
const flushTimeout = 250;
/** In-flight counts of other workers are passed on at most this often. */
const relayInterval = 20;
const remindInterval = 100;
const expireInterval = 60_000;
const closeTimeout = 1_000;
/** Node's `ticketKeys`: 16 bytes name, 16 HMAC, 16 AES. */
const ticketKeysSize = 48;

/** Beside this file in the sources as in the compiled package, with the same extension. */
const defaultEntry = fileURLToPath(new URL(`../proxy/worker${extname(import.meta.url)}`, import.meta.url));

/** Owns the listening sockets, the slots, the counts and the scrape endpoint; carries no traffic. */
export class Supervisor implements SlotHost {
  readonly log: Log;
  readonly workerEntry: string;
  readonly ticketKeys: Uint8Array = randomBytes(ticketKeysSize);
  /** Settled when nothing is left: all slots have ended and all sockets are closed. */
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  #stopped: Promise<number> | null = null;
  readonly #startedAt = performance.now();
  #plan: Plan;
  #state: Status['state'] = 'starting';
  readonly #sockets = new Map<string, ListeningSocket>();
  /** In the order of their generations; the last one serves. */
  readonly #slots: Slot[] = [];
  readonly #workers = new Map<number, WorkerProcess>();
  #lastWorker = 0;
  readonly #leases = new Leases();
  readonly #inFlight = new InFlight();
  #relay: NodeJS.Timeout | null = null;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #store: Store;
  readonly #scrape: HttpServer;
  #control: Server | null = null;

  constructor(plan: Plan, { log, workerEntry = defaultEntry }: SupervisorOptions) {
    this.#plan = plan;
    this.log = log;
    this.workerEntry = workerEntry;
    this.ended = this.#end.promise;
    this.#store = new Store({
      machine: { region: plan.region, host: plan.host },
      bounds: plan.metrics.buckets ?? defaultBuckets,
    });
    this.#scrape = createScrapeServer({
      store: this.#store,
      appsOf: (org) => this.#appsOf(org),
      serving: () => this.#state === 'serving',
      beforeScrape: () => this.#flush(),
      append: processSeries(),
    });
  }

  get status(): Status {
    const metrics = this.#scrape.address() as AddressInfo | null;
    return {
      version,
      pid: process.pid,
      uptime: Math.round((performance.now() - this.#startedAt) / 1000),
      state: this.#state,
      listeners: [...this.#sockets.values()].map(({ key, address, port }) => ({ key, address, port })),
      metrics: { address: metrics?.address ?? this.#plan.metrics.host, port: metrics?.port ?? this.#plan.metrics.port },
      slots: this.#slots.map(slotStatus),
      instances: this.#instances(),
    };
  }

  /** Opens all sockets and starts the first slot. @returns null once it serves, else why it does not; then all is ended. */
  async start(): Promise<string | null> {
    const fault = (await this.#open()) ?? (await this.#serve('blue', 1, this.#plan));
    if (fault !== null) {
      this.#close();
      return fault;
    }
    this.#timers.push(
      setInterval(() => this.#send(this.#leases.remind()), remindInterval),
      setInterval(() => this.#store.expire(), expireInterval),
    );
    return null;
  }

  /** Drains all slots; then it ends. @returns the connections that were cut at the deadline. */
  stop(): Promise<number> {
    this.#stopped ??= this.#drainAll();
    return this.#stopped;
  }

  async #drainAll(): Promise<number> {
    this.#state = 'stopping';
    const draining = this.#slots.map((slot) => slot.drain(false));
    // Whoever comes now is refused by the kernel rather than kept waiting.
    for (const socket of this.#sockets.values()) socket.handle.close();
    this.#sockets.clear();
    await Promise.all(draining);
    // After whoever asked for it was answered.
    setImmediate(() => this.#close());
    return this.#slots.reduce((cut, slot) => cut + slot.cut, 0);
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  // SlotHost

  nextWorkerId(): number {
    return ++this.#lastWorker;
  }

  sockets(plan: Plan): ListeningSocket[] {
    return plan.listeners.flatMap(({ key }) => this.#sockets.get(key) ?? []);
  }

  joined(worker: WorkerProcess): void {
    const { id, colour, generation } = worker.identity;
    this.#workers.set(id, worker);
    this.#store.attach({ id, colour, generation });
    this.#leases.join(id);
    this.#inFlight.join(id);
  }

  message(worker: WorkerProcess, message: FromWorker): void {
    const { id } = worker.identity;
    switch (message.type) {
      case 'counts': {
        const fault = message.counts === null ? null : this.#store.apply(id, message.counts);
        if (fault !== null) this.log.error({ fault }, 'a worker reported what cannot be counted');
        if (message.inFlight.length > 0) {
          this.#inFlight.report(id, message.inFlight);
          this.#relaySoon();
        }
        break;
      }
      case 'lease':
        this.#send(this.#leases.lease(id, message.key, message.want));
        break;
      case 'release':
        this.#send(this.#leases.release(id, message.key, message.permits));
        break;
    }
  }

  left(worker: WorkerProcess): void {
    const { id } = worker.identity;
    this.#workers.delete(id);
    this.#store.detach(id);
    this.#inFlight.leave(id);
    this.#relaySoon();
    this.#send(this.#leases.leave(id));
  }

  // Starting and ending

  async #open(): Promise<string | null> {
    const { control } = this.#plan.slots;
    if (control !== null) {
      const opened = await openControlSocket(control, (request) => this.#command(request));
      if ('fault' in opened) return opened.fault;
      this.#control = opened;
    }
    const fault = await this.#listenForScrapes();
    if (fault !== null) return fault;
    for (const { key, address, port } of this.#plan.listeners) {
      const socket = await openListeningSocket(key, address, port);
      if ('fault' in socket) return socket.fault;
      this.#sockets.set(key, socket);
    }
    return this.#state === 'stopping' ? 'it was stopped before it was ready' : null;
  }

  #listenForScrapes(): Promise<string | null> {
    const { host, port } = this.#plan.metrics;
    return new Promise((resolve) => {
      this.#scrape.once('error', (error) => resolve(`[metrics] listen: ${bindFault(host, port, error)}`));
      this.#scrape.listen({ host, port, ipv6Only: isIPv6(host), exclusive: true }, () => resolve(null));
    });
  }

  /** Starts a slot and lets it accept. */
  async #serve(colour: Colour, generation: number, plan: Plan): Promise<string | null> {
    this.#limit(plan);
    const slot = new Slot(colour, generation, { ...plan, ...this.#selfSigned(plan) }, this);
    this.#slots.push(slot);
    void slot.ended.then(() => this.log.info({ slot: colour, generation, cut: slot.cut }, 'the slot has ended'));
    const fault = await slot.start();
    if (fault !== null) {
      await slot.ended;
      return fault;
    }
    // A signal may have come in the meantime.
    if (slot.state !== 'ready') return 'it was stopped before it was ready';
    await slot.accept();
    if (this.#state === 'starting') this.#state = 'serving';
    this.log.info({ slot: colour, generation, workers: plan.slots.workers }, 'the slot serves');
    return null;
  }

  /** One for all workers, so that a client sees the same one each time. */
  #selfSigned({ listeners, apps }: Plan): Pick<Plan, 'selfSigned'> {
    if (!listeners.some(({ ports }) => ports.some(({ tls }) => tls.defaultSelfSigned))) return {};
    return { selfSigned: makeSelfSigned(apps.flatMap((app) => app.hostnames)) };
  }

  #close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#relay !== null) clearTimeout(this.#relay);
    for (const socket of this.#sockets.values()) socket.handle.close();
    this.#sockets.clear();
    this.#scrape.close();
    this.#scrape.closeAllConnections();
    if (this.#control === null) this.#end.resolve();
    else this.#control.close(() => this.#end.resolve());
    // A client that keeps its end open does not keep us.
    setTimeout(() => this.#end.resolve(), closeTimeout).unref();
  }

  // Between the workers

  /** The hard limits over all workers; an upstream without one needs no lease. */
  #limit(plan: Plan): void {
    for (const app of plan.apps) {
      for (const { concurrency, upstreams } of app.services) {
        if (concurrency.hard === null) continue;
        for (const { key } of upstreams) this.#send(this.#leases.limit(key, concurrency.hard));
      }
    }
  }

  #send(steps: LeaseStep[]): void {
    for (const step of steps) {
      const { worker, ...message } = step;
      this.#workers.get(worker)?.send(message);
    }
  }

  #relaySoon(): void {
    this.#relay ??= setTimeout(() => {
      this.#relay = null;
      for (const [id, upstreams] of this.#inFlight.changes())
        this.#workers.get(id)?.send({ type: 'others', upstreams });
    }, relayInterval);
  }

  /** Has all workers report, and waits for those that do in time. */
  async #flush(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, flushTimeout);
    await Promise.race([Promise.all([...this.#workers.values()].map((worker) => worker.flush())), late]);
    clearTimeout(timer);
  }

  // What is asked

  async #command(request: ControlRequest): Promise<ControlResponse> {
    switch (request.command) {
      case 'status':
        return { ok: true, status: this.status };
      case 'stop':
        return { ok: true, cut: await this.stop() };
    }
  }

  #appsOf(org: string): ReadonlySet<string> | undefined {
    if (!this.#plan.organizations.some(({ slug }) => slug === org)) return undefined;
    return new Set(this.#plan.apps.filter((app) => app.org === org).map((app) => app.name));
  }

  #instances(): InstanceStatus[] {
    const health = this.#slots.at(-1)?.health;
    return this.#plan.apps.flatMap((app) =>
      app.services.flatMap(({ checks, upstreams }) =>
        upstreams.map(({ key, instance, host, port }): InstanceStatus => {
          const healthy = checks.length === 0 ? true : health?.get(key);
          return {
            app: app.name,
            instance,
            address: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`,
            health: healthy === undefined ? 'unknown' : healthy ? 'healthy' : 'unhealthy',
            inFlight: this.#inFlight.total(key),
          };
        }),
      ),
    );
  }
}

function slotStatus(slot: Slot): Status['slots'][number] {
  const { colour, generation, state, restarts } = slot;
  const workers = slot.workers.map((worker) => ({
    index: worker.identity.index,
    pid: worker.pid,
    state: worker.state,
    connections: worker.connections,
  }));
  const connections = workers.reduce((sum, worker) => sum + worker.connections, 0);
  return { colour, generation, state, connections, restarts, workers };
}
