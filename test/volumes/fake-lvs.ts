/** A shell script that stands for `lvs`, first in the PATH. */

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { alive } from '../helpers/installation.ts';
import { until } from '../helpers/until.ts';

export class FakeLvs {
  readonly folder = mkdtempSync(join(tmpdir(), 'fly-edge-lvs-'));
  readonly path = join(this.folder, 'lvs');
  readonly #state = join(this.folder, 'state');

  /** @param script may write into the file `$STATE`. */
  constructor(script: string) {
    this.write(script);
  }

  /** What it does from now on. */
  write(script: string): void {
    // A program that runs cannot be written to; it can be replaced.
    rmSync(this.path, { force: true });
    writeFileSync(this.path, `#!/bin/sh\nSTATE=${this.#state}\n${script}\n`, { mode: 0o755 });
  }

  forbid(): void {
    chmodSync(this.path, 0o644);
  }

  /** The PATH with it before all else. */
  get searchPath(): string {
    return `${this.folder}${delimiter}${process.env.PATH}`;
  }

  /** Calls something that starts `lvs` at once. */
  run<T>(call: () => T): T {
    const before = process.env.PATH;
    process.env.PATH = this.searchPath;
    try {
      return call();
    } finally {
      process.env.PATH = before;
    }
  }

  get state(): string {
    return existsSync(this.#state) ? readFileSync(this.#state, 'utf8') : '';
  }

  /** Waits until the process whose id it wrote is gone. */
  async gone(): Promise<void> {
    const pid = Number(this.state);
    if (!(pid > 0)) throw new Error(`no process id: ${this.state}`);
    await until(() => !alive(pid) || zombie(pid), `process ${pid} is gone`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Ended, and not yet waited for by whoever is its parent now. */
function zombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
