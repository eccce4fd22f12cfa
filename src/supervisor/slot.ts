import type { Colour } from '../base/counts.ts';
import { workerProtocol } from '../base/protocol.ts';
import { versionOnDisk } from '../base/version.ts';
import { pack } from '../config/packed-plan.ts';
import type { Plan } from '../config/plan.ts';
import type { FromWorker } from '../ipc/messages.ts';
import type { Health, SlotOwner } from './slot-owner.ts';
import type { SlotState } from './slot-state.ts';
import { inTime, slowestReady } from './start-time.ts';
import type { SlotStatus } from './status.ts';
import { WorkerPool } from './worker-pool.ts';
import { type ExitCause, WorkerProcess } from './worker-process.ts';

/** One that was told to cut its connections and leave has so long. */
const hurryTimeout = 2_000;

/** One generation of workers, of one colour and one plan. */
export class Slot {
  readonly colour: Colour;
  readonly generation: number;
  readonly plan: Plan;
  /** The version of the code that its first workers run. */
  readonly version = versionOnDisk();
  /** Workers that were replaced. */
  restarts = 0;
  /** Connections cut at the end of the drain, or with a worker that died in it. */
  cut = 0;
  hurried = false;
  /** When its drain began; null before. */
  drainedSince: number | null = null;
  readonly #owner: SlotOwner;
  readonly #readyTimeout: number;
  #state: SlotState = 'starting';
  readonly #workers = new WorkerPool((index) => this.#fork(index));
  readonly #health = new Map<string, boolean>();
  readonly #ready = Promise.withResolvers<string | null>();
  readonly #accepting = Promise.withResolvers<string | null>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(colour: Colour, generation: number, plan: Plan, owner: SlotOwner) {
    this.colour = colour;
    this.generation = generation;
    this.plan = plan;
    this.#owner = owner;
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
    const workers = this.#workers.statuses;
    const connections = workers.reduce((sum, worker) => sum + worker.connections, 0);
    return { colour, generation, version, state, connections, restarts, workers };
  }

  /** Starts the workers. @returns null once all are ready, else why they will not be; then it ends by itself. */
  async start(): Promise<string | null> {
    await this.#workers.start(this.plan.slots.workers);
    const fault = await inTime(this.#ready.promise, 'ready', this.#readyTimeout);
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
    const fault = await inTime(this.#accepting.promise, 'accepting', this.#readyTimeout);
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
      this.#owner.log.error({ slot, generation, worker: worker.identity.index }, 'a worker hangs and is ended');
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

  #fork(index: number): WorkerProcess {
    const { colour, generation, plan } = this;
    const { hub, workerEntry, ticketKeys } = this.#owner;
    const identity = { id: hub.nextWorkerId(), colour, generation, index };
    const worker = new WorkerProcess(workerEntry, identity, {
      message: (from, message) => this.#receive(from, message),
      exited: (from, how, cause) => this.#exited(from, how, cause),
    });
    hub.join(worker);
    // A replacement begins with what the slot knows, so that it can serve at once.
    const health = this.#state === 'accepting' ? [...this.#health] : null;
    const ejected = hub.outliers.all;
    const known = { colour, generation, index, ticketKeys, health, ejected };
    worker.send({ type: 'start', protocol: workerProtocol, plan: pack(plan), ...known });
    return worker;
  }

  #receive(worker: WorkerProcess, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        if (this.#state === 'starting' && this.#workers.all('ready')) this.#ready.resolve(null);
        else if (this.#state === 'accepting') this.#letAccept(worker);
        break;
      case 'accepting':
        if (this.#workers.all('accepting')) this.#accepting.resolve(null);
        break;
      case 'health':
        this.learn(message.upstreams, worker);
        this.#owner.healthFound(this, message.upstreams);
        break;
      case 'drained':
        worker.connections = 0;
        break;
      default:
        this.#owner.hub.message(worker, message);
    }
  }

  #letAccept(worker: WorkerProcess): void {
    for (const socket of this.#owner.sockets(this.plan)) worker.listen(socket.key, socket.handle);
    worker.send({ type: 'accept' });
  }

  #exited(worker: WorkerProcess, how: string, cause: ExitCause): void {
    this.#owner.hub.leave(worker);
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
    const pause = this.#workers.replace(worker);
    this.restarts++;
    this.#owner.restarted(this, cause);
    const reason = worker.failure ?? undefined;
    this.#owner.log.error(
      { slot, generation, worker: worker.identity.index, exit, cause, reason, pause },
      'a worker died and is replaced',
    );
  }

  #leaving(): void {
    this.#state = 'draining';
    this.drainedSince ??= performance.now();
    this.#workers.stopReplacing();
  }

  #endWhenEmpty(): void {
    if (this.#state === 'accepting' || this.#state === 'ended') return;
    if (!this.#workers.all('exited')) return;
    this.#state = 'ended';
    this.#ready.resolve('it was stopped before it was ready');
    this.#accepting.resolve('it was stopped before it accepted');
    this.#ended.resolve();
  }
}
