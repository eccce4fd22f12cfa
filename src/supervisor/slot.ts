import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { protocol, series } from '../proxy/protocol.ts';
import { Backoff } from './backoff.ts';
import type { Hub } from './hub.ts';
import type { ListeningSocket } from './listening-socket.ts';
import type { Colour, FromWorker } from './messages.ts';
import type { SlotStatus } from './status.ts';
import { versionOnDisk } from './version.ts';
import { type ExitCause, WorkerProcess } from './worker-process.ts';

/**
 * starting   its workers read the plan and make the first health checks
 * ready      all workers could accept, and are let to; one that dies before all of them do is a fault
 * accepting  serves; a worker that dies is replaced
 * draining   finishes what it has; a worker that dies is not replaced
 * ended      no process is left
 */
export type SlotState = 'starting' | 'ready' | 'accepting' | 'draining' | 'ended';
export const slotStates: readonly SlotState[] = ['starting', 'ready', 'accepting', 'draining', 'ended'];

/** What a slot needs from the supervisor around it. */
export interface SlotHost {
  /** File that a worker runs. */
  readonly workerEntry: string;
  readonly log: Log;
  readonly hub: Hub;
  readonly ticketKeys: Uint8Array[];
  /** Those of the slot's plan. */
  sockets(plan: Plan): ListeningSocket[];
  /** Health of upstreams, as the slot's checks found it. */
  healthFound(slot: Slot, upstreams: Health): void;
  /** A worker is replaced. */
  restarted(slot: Slot, cause: ExitCause): void;
}

type Health = [key: string, healthy: boolean][];

/** One that was told to cut its connections and leave has so long. */
const hurryTimeout = 2_000;

/** How long it may take until all workers of a plan could accept, in ms. */
function slowestReady({ apps, slots }: Plan): number {
  const checks = apps.flatMap((app) => app.services.flatMap((service) => service.checks));
  return slots.readyTimeout + Math.max(0, ...checks.map((check) => check.timeout));
}

/** How long it may take until they do accept. */
export const slowestStart = (plan: Plan): number => 2 * slowestReady(plan);

/** One generation of workers, of one colour and one plan. */
export class Slot {
  readonly colour: Colour;
  readonly generation: number;
  readonly plan: Plan;
  /** Of the code that its first workers run. */
  readonly version = versionOnDisk();
  /** Workers that were replaced. */
  restarts = 0;
  /** Connections cut at the end of the drain, or with a worker that died in it. */
  cut = 0;
  hurried = false;
  /** When its drain began; null before. */
  drainedSince: number | null = null;
  readonly #host: SlotHost;
  readonly #readyTimeout: number;
  #state: SlotState = 'starting';
  /** By index; the process there may have exited and wait for its replacement. */
  readonly #workers: WorkerProcess[] = [];
  readonly #backoffs: Backoff[] = [];
  readonly #replacements = new Set<NodeJS.Timeout>();
  readonly #health = new Map<string, boolean>();
  readonly #ready = Promise.withResolvers<string | null>();
  readonly #accepting = Promise.withResolvers<string | null>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(colour: Colour, generation: number, plan: Plan, host: SlotHost) {
    this.colour = colour;
    this.generation = generation;
    this.plan = plan;
    this.#host = host;
    this.#readyTimeout = slowestReady(plan);
  }

  get state(): SlotState {
    return this.#state;
  }

  /** Health of the upstreams that have checks. */
  get health(): ReadonlyMap<string, boolean> {
    return this.#health;
  }

  /** Settled when no process of it is left. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get status(): SlotStatus {
    const { colour, generation, version, state, restarts } = this;
    const workers = this.#workers.map((worker) => ({
      index: worker.identity.index,
      pid: worker.pid,
      state: worker.state,
      connections: worker.connections,
    }));
    const connections = workers.reduce((sum, worker) => sum + worker.connections, 0);
    return { colour, generation, version, state, connections, restarts, workers };
  }

  /** Starts the workers. @returns null once all are ready, else why they will not be; then it ends by itself. */
  async start(): Promise<string | null> {
    for (let index = 0; index < this.plan.slots.workers; index++) {
      this.#backoffs.push(new Backoff());
      this.#fork(index);
    }
    const fault = await this.#inTime(this.#ready.promise, 'ready');
    if (fault === null) this.#state = 'ready';
    else this.kill();
    return fault;
  }

  /**
   * Lets all workers accept. Call it when `start` has returned null.
   * @returns null once each of them does, else why not: then some may, and it is to be drained.
   */
  async accept(): Promise<string | null> {
    for (const worker of this.#workers) this.#letAccept(worker);
    const fault = await this.#inTime(this.#accepting.promise, 'accepting');
    if (fault === null && this.#state === 'ready') this.#state = 'accepting';
    return fault;
  }

  /**
   * Stops accepting and lets the workers finish what they have; settled when they are gone.
   * @param handover whether another slot accepts.
   */
  drain(handover: boolean): Promise<void> {
    if (this.#state === 'ended') return this.ended;
    this.#leaving();
    const { drainTimeout, websocketDrainTimeout } = this.plan.slots;
    for (const worker of this.#workers) worker.drain(drainTimeout, websocketDrainTimeout, handover);
    this.#endWhenEmpty();
    return this.ended;
  }

  /** Cuts what is left of a drain, so that its counts are still told. */
  hurry(): void {
    this.hurried = true;
    for (const worker of this.#workers) worker.drain(0, 0, false);
    const timer = setTimeout(() => this.kill(), hurryTimeout);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** Ends all workers at once. */
  kill(): void {
    if (this.#state === 'ended') return;
    this.#leaving();
    for (const worker of this.#workers) worker.kill();
    this.#endWhenEmpty();
  }

  /** To be called once a second: ends workers that hang. */
  watch(): void {
    const { colour: slot, generation } = this;
    for (const worker of this.#workers) {
      // The first ones are waited for by `start`.
      const late = this.#state === 'accepting' && worker.state === 'starting' && worker.age > this.#readyTimeout;
      if (worker.ping() && !late) continue;
      this.#host.log.error({ slot, generation, worker: worker.identity.index }, 'a worker hangs and is ended');
      worker.killHung();
    }
  }

  /** Tells the workers the health of upstreams. @param from the one that found it out. */
  learn(upstreams: Health, from: WorkerProcess | null = null): void {
    for (const [key, healthy] of upstreams) this.#health.set(key, healthy);
    for (const worker of this.#workers) if (worker !== from) worker.send({ type: 'health', upstreams });
  }

  setTicketKeys(ticketKeys: Uint8Array[]): void {
    for (const worker of this.#workers) worker.send({ type: 'ticketKeys', ticketKeys });
  }

  #fork(index: number): void {
    const { colour, generation, plan } = this;
    const { hub, workerEntry, ticketKeys } = this.#host;
    const identity = { id: hub.nextWorkerId(), colour, generation, index };
    const worker = new WorkerProcess(workerEntry, identity, {
      message: (from, message) => this.#receive(from, message),
      exited: (from, how, cause) => this.#exited(from, how, cause),
    });
    this.#workers[index] = worker;
    hub.join(worker);
    // A replacement begins with what the slot knows, so that it can serve at once.
    const health = this.#state === 'accepting' ? [...this.#health] : null;
    worker.send({ type: 'start', protocol, series, plan, colour, generation, index, ticketKeys, health });
  }

  #receive(worker: WorkerProcess, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        if (this.#state === 'starting' && this.#workers.every((each) => each.state === 'ready'))
          this.#ready.resolve(null);
        else if (this.#state === 'accepting') this.#letAccept(worker);
        break;
      case 'accepting':
        if (this.#workers.every((each) => each.state === 'accepting')) this.#accepting.resolve(null);
        break;
      case 'health':
        this.learn(message.upstreams, worker);
        this.#host.healthFound(this, message.upstreams);
        break;
      case 'drained':
        worker.connections = 0;
        break;
      default:
        this.#host.hub.message(worker, message);
    }
  }

  #letAccept(worker: WorkerProcess): void {
    for (const socket of this.#host.sockets(this.plan)) worker.listen(socket.key, socket.handle);
    worker.send({ type: 'accept' });
  }

  #exited(worker: WorkerProcess, how: string, cause: ExitCause): void {
    this.#host.hub.leave(worker);
    const told = (when: string) =>
      worker.failure ?? `worker ${worker.identity.index} ended with ${how} before it ${when}`;
    switch (this.#state) {
      case 'starting':
      case 'ready':
        this.#ready.resolve(told('was ready'));
        this.#accepting.resolve(told('accepted'));
        break;
      case 'accepting':
        this.#replace(worker, how, cause);
        return;
      case 'draining':
      case 'ended':
        this.cut += worker.cut + worker.connections;
        break;
    }
    this.#endWhenEmpty();
  }

  #replace(worker: WorkerProcess, exit: string, cause: ExitCause): void {
    const { colour: slot, generation } = this;
    const { index } = worker.identity;
    const pause = this.#backoffs[index]!.next(worker.age);
    this.restarts++;
    this.#host.restarted(this, cause);
    const reason = worker.failure ?? undefined;
    this.#host.log.error(
      { slot, generation, worker: index, exit, cause, reason, pause },
      'a worker died and is replaced',
    );
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      this.#fork(index);
    }, pause);
    this.#replacements.add(timer);
  }

  async #inTime(promise: Promise<string | null>, state: string): Promise<string | null> {
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(resolve, this.#readyTimeout, `it was not ${state} within ${this.#readyTimeout / 1000} s`);
    const fault = await Promise.race([promise, late]);
    clearTimeout(timer);
    return fault;
  }

  #leaving(): void {
    this.#state = 'draining';
    this.drainedSince ??= performance.now();
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
  }

  #endWhenEmpty(): void {
    if (this.#state === 'accepting' || this.#state === 'ended') return;
    if (this.#workers.some((worker) => worker.state !== 'exited')) return;
    this.#state = 'ended';
    this.#ready.resolve('it was stopped before it was ready');
    this.#accepting.resolve('it was stopped before it accepted');
    this.#ended.resolve();
  }
}
