import { type ChildProcess, fork } from 'node:child_process';
import type { Colour } from '../base/counts.ts';
import type { TcpHandle } from '../base/tcp-handle.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import { environmentWithCache } from './compile-cache.ts';

/**
 * starting   forked; reads its plan, worker 0 runs the first health checks
 * ready      could accept
 * accepting  serves
 * draining   finishes what it has, accepts nothing
 * exited     is gone, in whatever way
 */
export type WorkerState = 'starting' | 'ready' | 'accepting' | 'draining' | 'exited';

export interface WorkerIdentity {
  /** Unique in the supervisor's life. */
  id: number;
  colour: Colour;
  generation: number;
  /** Position in its slot; 0 runs the health checks; below 0: see `hub-worker.ts`. */
  index: number;
}

/** How a worker ended: by itself, by a signal from elsewhere (out of memory, an operator), or because it hung. */
export type ExitCause = 'exit' | 'signal' | 'hang';

export interface WorkerListener {
  message(worker: WorkerProcess, message: FromWorker): void;
  /** After its last message. `how`: "code 1", "signal SIGKILL". */
  exited(worker: WorkerProcess, how: string, cause: ExitCause): void;
}

/** Pings in a row without an answer, after which a worker's event loop counts as blocked. */
const hangLimit = 5;

/** One child process of a slot, as the supervisor sees it. */
export class WorkerProcess {
  readonly identity: WorkerIdentity;
  /** Client connections, as last reported. */
  connections = 0;
  /** Connections that were cut at the end of its drain. */
  cut = 0;
  /** Why it could not start, in its own words. */
  failure: string | null = null;
  #state: WorkerState = 'starting';
  readonly #child: ChildProcess;
  readonly #listener: WorkerListener;
  readonly #startedAt = performance.now();
  #lastFlush = 0;
  readonly #flushes = new Map<number, () => void>();
  #unanswered = 0;
  #hung = false;

  constructor(entry: string, identity: WorkerIdentity, listener: WorkerListener) {
    this.identity = identity;
    this.#listener = listener;
    // No inherited flags: a debugger's port or a test runner's loader is the supervisor's own. A worker has no use for SIGUSR1.
    this.#child = fork(entry, [], {
      execArgv: ['--disable-sigusr1'],
      env: environmentWithCache(),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#receive(message as FromWorker));
    // Both, since its last messages may be read after its exit was noticed.
    const ended = Promise.withResolvers<[how: string, cause: ExitCause]>();
    const disconnected = new Promise((resolve) => this.#child.once('disconnect', resolve));
    this.#child.once('exit', (code, signal) =>
      ended.resolve(signal === null ? [`code ${code}`, 'exit'] : [`signal ${signal}`, this.#hung ? 'hang' : 'signal']),
    );
    void Promise.all([ended.promise, disconnected]).then(([[how, cause]]) => this.#exited(how, cause));
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) this.#exited(error.message, 'exit');
    });
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Milliseconds since it was started. */
  get age(): number {
    return performance.now() - this.#startedAt;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Does nothing once the channel is closed: its exit is reported on its own. */
  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Hands over a copy of a listening socket. */
  listen(key: string, handle: TcpHandle): void {
    // A TCP wrap is sent as it is (Node's 'net.Native'), which the types do not know.
    if (this.#child.connected) this.#child.send({ type: 'listen', key } satisfies ToWorker, handle as never, () => {});
  }

  drain(timeout: number, websocketTimeout: number, handover: boolean): void {
    // A drain for a handover may turn into one for the end.
    if (this.#state === 'exited' || (this.#state === 'draining' && handover)) return;
    this.#state = 'draining';
    this.send({ type: 'drain', timeout, websocketTimeout, handover });
  }

  /** Asks for its counts; settled once they are merged, or once it is gone. A hanging worker never answers. */
  flush(): Promise<void> {
    if (this.#state === 'exited') return Promise.resolve();
    const id = ++this.#lastFlush;
    return new Promise((resolve) => {
      this.#flushes.set(id, resolve);
      this.send({ type: 'flush', id });
    });
  }

  /**
   * Asks whether its event loop turns. To be called once a second: pings are counted, not time, so that a supervisor that
   * stood still itself (a paused machine) finds nobody guilty.
   * @returns false when it has not answered for so long that it must be ended.
   */
  ping(): boolean {
    if (this.#state === 'exited' || this.#state === 'starting') return true;
    if (this.#unanswered === hangLimit) return false;
    this.#unanswered++;
    void this.flush();
    return true;
  }

  /** Ends a worker that hangs. */
  killHung(): void {
    this.#hung = true;
    this.kill();
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#state !== 'exited') this.#child.kill('SIGKILL');
  }

  #receive(message: FromWorker): void {
    // Whatever it says, its event loop turns.
    this.#unanswered = 0;
    if (message.type === 'ready' && this.#state === 'starting') this.#state = 'ready';
    else if (message.type === 'accepting' && this.#state === 'ready') this.#state = 'accepting';
    else if (message.type === 'failed') this.failure = message.reason;
    else if (message.type === 'drained') this.cut = message.cut;
    else if (message.type === 'counts') this.connections = message.connections;
    this.#listener.message(this, message);
    if (message.type === 'counts' && message.flush > 0) this.#answered(message.flush);
  }

  /** The channel keeps its order: an answer also answers what was asked before. */
  #answered(flush: number): void {
    for (const [id, resolve] of this.#flushes) {
      if (id > flush) break;
      this.#flushes.delete(id);
      resolve();
    }
  }

  #exited(how: string, cause: ExitCause): void {
    if (this.#state === 'exited') return;
    this.#state = 'exited';
    this.#listener.exited(this, how, cause);
    this.connections = 0;
    this.#answered(this.#lastFlush);
  }
}
