/** Where the program may be, and the edges that run from there. */

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { control } from '../../src/supervisor/control.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { type Config, type Ended, type Program, start } from '../cli/helpers.ts';
import { type Page, parseExposition } from './exposition.ts';
import { until } from './until.ts';

export const project = fileURLToPath(new URL('../..', import.meta.url));

/** The program in some folder, as it is started from there. */
export class Installed {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** @param node the binary that starts it, this one if it is left out. Ended with the test. */
  start(args: string[], node?: string): Program {
    return start(args, node, join(this.folder, 'bin/fly-edge.js'));
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  /** An edge that serves. Whatever supervisor leads it then is ended with the test. */
  async serve(config: Config, node?: string): Promise<RunningEdge> {
    const program = this.start(['run', '--config', config.file], node);
    const edge = new RunningEdge(program, config);
    onTestFinished(() => edge.end());
    await until(
      () => {
        if (program.process.exitCode !== null) throw new Error(program.stderr);
        return program.stderr.includes('the slot serves');
      },
      'the edge serves',
      30_000,
    );
    return edge;
  }
}

/** A copy of the checkout that a test may break. */
export class Installation extends Installed {
  readonly #broken = new Map<string, string>();

  /** Removed with the test. */
  constructor() {
    super(mkdtempSync(join(tmpdir(), 'fly-edge-installed-')));
    for (const name of ['bin', 'src', 'package.json'])
      cpSync(join(project, name), this.#path(name), { recursive: true });
    symlinkSync(join(project, 'node_modules'), this.#path('node_modules'));
    onTestFinished(() => rmSync(this.folder, { recursive: true }));
  }

  /** Replaces text in a file. Throws when it is not there. */
  change(file: string, from: string, to: string): void {
    const text = readFileSync(this.#path(file), 'utf8');
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
    if (!this.#broken.has(file)) this.#broken.set(file, text);
    writeFileSync(this.#path(file), text.replace(from, to));
  }

  /** All files as they were. */
  mend(): void {
    for (const [file, text] of this.#broken) writeFileSync(this.#path(file), text);
    this.#broken.clear();
  }

  #path(name: string): string {
    return join(this.folder, name);
  }
}

export class RunningEdge {
  /** The first supervisor. What later ones log comes here too. */
  readonly program: Program;
  readonly #config: Config;

  constructor(program: Program, config: Config) {
    this.program = program;
    this.#config = config;
  }

  async status(): Promise<Status> {
    const response = await control(this.#control, { command: 'status' });
    if (!response.ok) throw new Error(response.reason);
    return response.status;
  }

  /** `blue 1 draining`, in the order of generations. */
  async slots(): Promise<string[]> {
    const { slots } = await this.status();
    return slots.map(({ colour, generation, state }) => `${colour} ${generation} ${state}`);
  }

  async scrape(): Promise<Page> {
    // A connection each: one that is kept may be closed by the supervisor that leaves.
    const headers = { connection: 'close' };
    const response = await fetch(`http://127.0.0.1:${this.#config.metrics}/metrics`, { headers });
    if (!response.ok) throw new Error(`the scrape was answered ${response.status}`);
    const lines = (await response.text()).split('\n').filter((line) => line.startsWith('fly_'));
    return parseExposition(lines.map((line) => `${line}\n`).join(''));
  }

  /** At once, whatever supervisor leads. */
  async end(): Promise<void> {
    const response = await control(this.#control, { command: 'status' });
    if (!response.ok) return;
    const { pid } = response.status;
    if (pid !== process.pid) process.kill(pid, 'SIGKILL');
    await until(() => !alive(pid), 'the supervisor is gone');
  }

  get #control(): string {
    return join(this.#config.file, '..', 'run', 'edge.sock');
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
