import { type ChildProcess, fork } from 'node:child_process';
import type { TcpHandle } from '../base/tcp-handle.ts';
import type { ToPredecessor, ToSuccessor } from './succession.ts';

type Step = 'loaded' | 'ready' | 'serving';
type Reached<S extends Step> = Extract<ToPredecessor, { type: S }>;

/** The supervisor that is to replace this one, as this one sees it. */
export class Successor {
  readonly #child: ChildProcess;
  readonly #ended = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  #failure: string | null = null;
  #step: ((message: ToPredecessor | null) => void) | null = null;

  /**
   * @param program a Node binary and the program's main file.
   * @param received what it says once it serves, and `flush`.
   */
  constructor([node, main]: [string, string], config: string, received: (message: ToPredecessor) => void) {
    // A session of its own: it stays when this process and its terminal's process group leave.
    this.#child = fork(main, ['successor', '--config', config], {
      execPath: node,
      execArgv: [],
      detached: true,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: ToPredecessor) => {
      if (message.type === 'failed') this.#failure = message.reason;
      else if (message.type === 'loaded' || message.type === 'ready' || message.type === 'serving')
        this.#step?.(message);
      else received(message);
    });
    const gone = (how: string) => {
      this.#failure ??= `the new version ended with ${how} before it served`;
      this.#step?.(null);
      this.#ended.resolve();
      this.#released.resolve();
    };
    this.#child.once('exit', (code, signal) => {
      const how = signal === null ? `code ${code}` : `signal ${signal}`;
      // What it said last may be read after its exit was noticed.
      if (this.#child.connected) this.#child.once('disconnect', () => gone(how));
      else gone(how);
    });
    this.#child.once('disconnect', () => this.#released.resolve());
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) gone(error.message);
    });
  }

  /** Settled when its process is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  send(message: ToSuccessor, handle?: TcpHandle): void {
    // A TCP wrap is sent as it is (Node's 'net.Native'), which the types do not know.
    if (this.#child.connected) this.#child.send(message, handle as never, () => {});
  }

  /** What it says when it has come so far, or why it never will. */
  async reached<S extends Step>(step: S, timeout: number): Promise<Reached<S> | string> {
    const { promise, resolve } = Promise.withResolvers<ToPredecessor | null | 'late'>();
    this.#step = resolve;
    const timer = setTimeout(resolve, timeout, 'late');
    const message = this.#failure === null ? await promise : null;
    clearTimeout(timer);
    this.#step = null;
    if (message === 'late') return `the new version was not ${step} within ${timeout / 1000} s`;
    if (message === null) return this.#failure!;
    return message as Reached<S>;
  }

  /** Settled when all that was sent to it has been read, or it is gone. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** Ends it; settled when it is gone. */
  kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }
}
