/** A real PostgreSQL server of a test's own. It refuses to run as root: then it runs as Debian's user postgres. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const bin = '/usr/lib/postgresql/15/bin';
export const psql = join(bin, 'psql');
export const pgbench = join(bin, 'pgbench');

/** Why there can be no server here; null when there can. */
export function missingPostgres(): string | null {
  for (const program of ['initdb', 'postgres', 'psql', 'pgbench', 'pg_basebackup']) {
    if (!existsSync(join(bin, program))) return `${join(bin, program)} is not installed`;
  }
  if (process.getuid?.() === 0 && userId() === null) return 'this is root, and there is no user postgres to run it as';
  return null;
}

export class Postgres {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#child = child;
    this.#folder = folder;
  }

  /** On loopback, everybody trusted: `port` was free a moment ago. Throws what it wrote when it does not come up. */
  static start(port: number): Promise<Postgres> {
    return Postgres.#run(port, ['initdb', '-U', 'postgres', '-A', 'trust', '-N', '-D']);
  }

  /** A streaming replica of this one. */
  replica(port: number): Promise<Postgres> {
    const from = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres'];
    return Postgres.#run(port, ['pg_basebackup', ...from, '-R', '-X', 'stream', '-c', 'fast', '-D']);
  }

  /** @param make a command that fills the data folder, which is its last argument. */
  static async #run(port: number, make: [string, ...string[]]): Promise<Postgres> {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-pg-'));
    if (process.getuid?.() === 0) chownSync(folder, userId()!, groupId());
    const data = join(folder, 'data');
    const [init, ...initArgs] = asPostgres(make[0], ...make.slice(1), data);
    execFileSync(init!, initArgs, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const settings = ['-h', '127.0.0.1', '-p', String(port), '-k', '', '-c', 'fsync=off'];
    const [server, ...args] = asPostgres('postgres', '-D', data, ...settings);
    const child = spawn(server!, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const postgres = new Postgres(port, child, folder);
    let log = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => (log += text));
    const deadline = performance.now() + 15_000;
    while (!/ready to accept (read-only )?connections/.test(log)) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await postgres.stop();
        throw new Error(`PostgreSQL did not come up\n${log}`);
      }
      await delay(20);
    }
    return postgres;
  }

  /** Runs SQL as the superuser; the first row's columns. Throws what psql wrote when it fails. */
  query(sql: string, database = 'postgres'): string[] {
    const connection = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', database];
    const options = ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql];
    const text = execFileSync(psql, [...connection, ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return text.trim().split('\n')[0]!.split('|');
  }

  /** Immediate shutdown: its data are thrown away. May be called again. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGQUIT');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** setpriv becomes the program: its pid is the server's. */
function asPostgres(program: string, ...args: string[]): string[] {
  const command = [join(bin, program), ...args];
  if (process.getuid?.() !== 0) return command;
  return ['setpriv', `--reuid=${userId()}`, `--regid=${groupId()}`, '--clear-groups', ...command];
}

const userId = (): number | null => idOf('-u');
const groupId = (): number => idOf('-g') ?? 0;

function idOf(which: '-u' | '-g'): number | null {
  try {
    return Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return null;
  }
}
