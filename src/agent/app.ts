/** The app that an agent runs: `fly-edge agent -- CMD`. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Roots } from './cgroup.ts';
import { oomKills } from './oom.ts';

/** As a shell reports it. */
export interface End {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  code: number;
  /** Whether it was killed because memory ran out. */
  oom: boolean;
}

/** Why it could not be started, and the code that shells give for it. */
export interface NotStarted {
  fault: string;
  code: 126 | 127;
}

const killed = 128 + constants.signals.SIGKILL;

export class App {
  readonly ended: Promise<End>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, roots: Roots, killsBefore: bigint) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (exit, signal) => {
        const code = signal === null ? exit! : 128 + constants.signals[signal];
        resolve({ code, oom: code === killed && oomKills(roots) > killsBefore });
      });
    });
  }

  /** With the agent's own stdin, stdout and stderr. @param roots where its control group is found. */
  static async start(command: string, args: string[], roots: Roots): Promise<App | NotStarted> {
    const killsBefore = oomKills(roots);
    let child: ChildProcess;
    try {
      child = spawn(command, args, { stdio: 'inherit' });
    } catch (error) {
      // What Node makes no event of: a path through a file, too long a list of arguments.
      return { fault: `${command}: ${(error as Error).message}`, code: 126 };
    }
    const failed = once(child, 'error') as Promise<[NodeJS.ErrnoException]>;
    // Also a signal that the agent has no right to send: the app has changed its user.
    child.on('error', () => {});
    if (child.pid !== undefined) return new App(child, roots, killsBefore);
    const [{ code, message }] = await failed;
    if (code === 'ENOENT') return { fault: `${command}: not found`, code: 127 };
    return { fault: `${command}: ${code === 'EACCES' ? 'it may not be executed' : message}`, code: 126 };
  }

  get pid(): number {
    return this.#child.pid!;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
