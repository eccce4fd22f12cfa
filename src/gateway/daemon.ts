/** A program of the storage tier as a child process: started, and started again whenever it ends. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../base/backoff.ts';
import type { Log } from '../log/log.ts';

/**
 * starting  waits for the process to answer
 * running   answers
 * stopping  is to end
 */
type State = 'starting' | 'running' | 'stopping';

export interface DaemonOptions {
  /** What it is, in the log. */
  name: 'engine' | 'scraper';
  program: string;
  args: string[];
  /** All of its environment. */
  env: NodeJS.ProcessEnv;
  /** Any path of it that answers once it is there. */
  url: URL;
  log: Log;
  /** Called after each end that nobody asked for. */
  ended?: () => void;
  /** Called each time that it answers again after such an end. */
  back?: () => void;
}

const pollInterval = 20;
const startTimeout = 30_000;
const stopTimeout = 10_000;
/** A line is cut there: it is for whoever has to find out why it ended. */
const longestLine = 500;
const lastWords = /^(panic|fatal error):|\t(panic|fatal)\t/;

/** Polls until a program answers, whatever it says. @param until as `performance.now()` has it. */
export async function answers(url: URL, until: number): Promise<boolean> {
  for (;;) {
    const left = until - performance.now();
    if (left <= 0) return false;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(Math.ceil(left)) });
      await response.body?.cancel();
      return true;
    } catch {
      await delay(Math.min(pollInterval, left));
    }
  }
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #backoff = new Backoff();
  #child: ChildProcess | null = null;
  #state: State = 'starting';
  /** What it wrote last, or why it panicked: the trace after that is long. */
  #lastLine = '';

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** @returns null once it answers, else why it does not. */
  async start(): Promise<string | null> {
    const { program, url } = this.#options;
    // Another one on its port would be taken for it.
    if (await answers(url, performance.now() + 200)) return `something answers at ${url.origin} already: end it first`;
    const child = this.#spawn();
    const ended = once(child, 'exit').catch((error: Error) => [error.message]);
    const up = await Promise.race([answers(url, performance.now() + startTimeout), ended.then(() => false)]);
    if (up) {
      this.#state = 'running';
      child.once('exit', (code, signal) => void this.#exited(code, signal));
      return null;
    }
    await this.stop();
    return `${program} does not start: ${this.#lastLine}`;
  }

  async stop(): Promise<void> {
    this.#state = 'stopping';
    const child = this.#child;
    if (child === null || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout);
    await ended;
    clearTimeout(timer);
  }

  #spawn(): ChildProcess {
    const { program, args, env } = this.#options;
    // In a process group of its own: Ctrl-C is for us, and we end it.
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#child = child;
    this.#lastLine = '';
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (!lastWords.test(this.#lastLine)) this.#lastLine = line.slice(0, longestLine);
    });
    child.on('error', (error) => (this.#lastLine = error.message));
    return child;
  }

  /** Once it has run, it is started for as long as it takes. */
  async #exited(code: number | null, signal: string | null): Promise<void> {
    if (this.#state === 'stopping') return;
    const { name, log, url, ended, back } = this.#options;
    log.error({ code, signal, reason: this.#lastLine }, `the ${name} has ended and is started again`);
    ended?.();
    // One that ran ended for a reason of its own (a query, a signal); one that does not even start is not pressed.
    await delay(this.#state === 'running' ? 0 : this.#backoff.next(0));
    if ((this.#state as State) === 'stopping') return;
    this.#state = 'starting';
    const child = this.#spawn();
    child.once('exit', (code, signal) => void this.#exited(code, signal));
    child.once('error', () => child.pid === undefined && void this.#exited(null, null));
    if ((await answers(url, performance.now() + startTimeout)) && this.#child === child) {
      if ((this.#state as State) === 'stopping') return;
      this.#state = 'running';
      back?.();
    }
  }
}
