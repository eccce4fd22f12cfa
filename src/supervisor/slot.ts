import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { Backoff } from './backoff.ts';
import type { ListeningSocket } from './listening-socket.ts';
import type { Colour, FromWorker } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';

/**
 * starting   its workers read the plan and make the first health checks
 * ready      all workers could accept
 * accepting  serves; a worker that dies is replaced
 * draining   finishes what it has; a worker that dies is not replaced
 * ended      no process is left
 */
export type SlotState = 'starting' | 'ready' | 'accepting' | 'draining' | 'ended';

/** What a slot needs from the supervisor around it. */
export interface SlotHost {
  /** File that a worker runs. */
  readonly workerEntry: string;
  readonly log: Log;
  readonly ticketKeys: Uint8Array;
  /** A number that no other worker had. */
  nextWorkerId(): number;
  /** Those of the slot's plan. */
  sockets(plan: Plan): ListeningSocket[];
  joined(worker: WorkerProcess): void;
  /** Counts, leases and what else is not the slot's own business. */
  message(worker: WorkerProcess, message: FromWorker): void;
  left(worker: WorkerProcess): void;
}

/** Checks have their own timeouts; this is for all that a worker does besides. */
const startTimeout = 20_000;

/** One generation of workers, of one colour and one plan. */
export class Slot {
  readonly colour: Colour;
  readonly generation: number;
  readonly plan: Plan;
  /** Workers that were replaced. */
  restarts = 0;
  /** Connections cut at the end of the drain. */
  cut = 0;
  readonly #host: SlotHost;
  #state: SlotState = 'starting';
  /** By index; the process there may have exited and wait for its replacement. */
  readonly #workers: WorkerProcess[] = [];
  readonly #backoffs: Backoff[] = [];
  readonly #replacements = new Set<NodeJS.Timeout>();
  readonly #health = new Map<string, boolean>();
  readonly #ready = Promise.withResolvers<string | null>();
  readonly #accepting = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(colour: Colour, generation: number, plan: Plan, host: SlotHost) {
    this.colour = colour;
    this.generation = generation;
    this.plan = plan;
    this.#host = host;
  }

  get state(): SlotState {
    return this.#state;
  }

  get workers(): readonly WorkerProcess[] {
    return this.#workers;
  }

  /** Health of the upstreams that have checks. */
  get health(): ReadonlyMap<string, boolean> {
    return this.#health;
  }

  /** Settled when no process of it is left. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Starts the workers. @returns null once all are ready, else why they will not be; then it ends by itself. */
  async start(): Promise<string | null> {
    for (let index = 0; index < this.plan.slots.workers; index++) {
      this.#backoffs.push(new Backoff());
      this.#fork(index);
    }
    const slowest = Math.max(
      0,
      ...this.plan.apps.flatMap((app) => app.services.flatMap((s) => s.checks.map((c) => c.timeout))),
    );
    const timeout = startTimeout + slowest;
    const timer = setTimeout(() => this.#ready.resolve(`it was not ready within ${timeout / 1000} s`), timeout);
    const fault = await this.#ready.promise;
    clearTimeout(timer);
    if (fault === null) this.#state = 'ready';
    else this.kill();
    return fault;
  }

  /** Lets all workers accept; settled when each of them does. Call it when `start` has returned null. */
  accept(): Promise<void> {
    this.#state = 'accepting';
    for (const worker of this.#workers) {
      if (worker.state === 'exited') this.#replace(worker, 'no trace before it accepted');
      else this.#letAccept(worker);
    }
    return this.#accepting.promise;
  }

  /** Stops accepting and lets the workers finish what they have; settled when they are gone. */
  drain(handover: boolean): Promise<void> {
    if (this.#state === 'ended') return this.ended;
    this.#state = 'draining';
    this.#forgetReplacements();
    const { drainTimeout, websocketDrainTimeout } = this.plan.slots;
    for (const worker of this.#workers) worker.drain(drainTimeout, websocketDrainTimeout, handover);
    this.#endWhenEmpty();
    return this.ended;
  }

  /** Ends all workers at once. */
  kill(): void {
    if (this.#state === 'ended') return;
    this.#state = 'draining';
    this.#forgetReplacements();
    for (const worker of this.#workers) worker.kill();
    this.#endWhenEmpty();
  }

  #fork(index: number): void {
    const { colour, generation, plan } = this;
    const identity = { id: this.#host.nextWorkerId(), colour, generation, index };
    const worker = new WorkerProcess(this.#host.workerEntry, identity, {
      message: (from, message) => this.#receive(from, message),
      exited: (from, how) => this.#exited(from, how),
    });
    this.#workers[index] = worker;
    this.#host.joined(worker);
    // A replacement begins with what the slot knows, so that it can serve at once.
    const health = this.#state === 'accepting' ? [...this.#health] : null;
    worker.send({ type: 'start', plan, colour, generation, index, ticketKeys: this.#host.ticketKeys, health });
  }

  #receive(worker: WorkerProcess, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        if (this.#state === 'starting' && this.#workers.every((each) => each.state === 'ready'))
          this.#ready.resolve(null);
        else if (this.#state === 'accepting') this.#letAccept(worker);
        break;
      case 'accepting':
        if (this.#workers.every((each) => each.state === 'accepting')) this.#accepting.resolve();
        break;
      case 'health':
        for (const [key, healthy] of message.upstreams) this.#health.set(key, healthy);
        for (const other of this.#workers) if (other !== worker) other.send(message);
        break;
      case 'drained':
        this.cut += message.cut;
        break;
      default:
        this.#host.message(worker, message);
    }
  }

  #letAccept(worker: WorkerProcess): void {
    for (const socket of this.#host.sockets(this.plan)) worker.listen(socket.key, socket.handle);
    worker.send({ type: 'accept' });
  }

  #exited(worker: WorkerProcess, how: string): void {
    this.#host.left(worker);
    const { index } = worker.identity;
    switch (this.#state) {
      case 'starting':
      case 'ready':
        this.#ready.resolve(worker.failure ?? `worker ${index} ended with ${how} before it was ready`);
        break;
      case 'accepting':
        this.#replace(worker, how);
        return;
      case 'draining':
      case 'ended':
        break;
    }
    this.#endWhenEmpty();
  }

  #replace(worker: WorkerProcess, how: string): void {
    const { index } = worker.identity;
    const pause = this.#backoffs[index]!.next(performance.now() - worker.startedAt);
    this.restarts++;
    this.#host.log.error(
      {
        slot: this.colour,
        generation: this.generation,
        worker: index,
        exit: how,
        reason: worker.failure ?? undefined,
        pause,
      },
      'a worker died and is replaced',
    );
    const timer = setTimeout(() => {
      this.#replacements.delete(timer);
      this.#fork(index);
    }, pause);
    this.#replacements.add(timer);
  }

  #forgetReplacements(): void {
    for (const timer of this.#replacements) clearTimeout(timer);
    this.#replacements.clear();
  }

  #endWhenEmpty(): void {
    if (this.#state !== 'starting' && this.#state !== 'draining') return;
    if (this.#workers.some((worker) => worker.state !== 'exited')) return;
    this.#state = 'ended';
    this.#ready.resolve('it was stopped before it was ready');
    this.#accepting.resolve();
    this.#ended.resolve();
  }
}
