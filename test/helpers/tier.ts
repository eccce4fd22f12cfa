/** The storage tier of a test: the engine and the gateway in front of it, both the real programs. */

import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { edgeProgram } from './edge.ts';
import { programs } from './storage.ts';

const enginePassword = 'known to the test';
/** For what is asked of the engine directly. */
export const engineHeaders = { authorization: `Basic ${btoa(`test:${enginePassword}`)}` };

export class Tier {
  readonly #folder: string;
  /** `[gateway]`, for edge.toml. */
  readonly toml: string;
  /** Of the gateway's listener, of its own series, and of the engine for what is asked directly; without path. */
  readonly gateway: string;
  readonly own: string;
  readonly engine: string;
  /** The gateway; the engine is its child. */
  process: ChildProcess | null = null;

  private constructor(folder: string, [listen, metrics, engine]: number[], keys: string) {
    this.#folder = folder;
    this.gateway = `http://127.0.0.1:${listen}`;
    this.own = `http://127.0.0.1:${metrics}`;
    this.engine = `http://127.0.0.1:${engine}`;
    this.toml = `[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${metrics}"
storage = "${this.engine}"
keys = "${join(folder, 'tokens.key')}"
${keys}`;
  }

  /** Its addresses, before there is an edge. @param keys further lines of `[gateway]`. */
  static async prepare(keys = ''): Promise<Tier> {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-tier-'));
    return new Tier(folder, await freePorts(3), keys);
  }

  /** Scrapes each second. @param file edge.toml of an edge that serves. @param flags of the engine. */
  async start(file: string, ...flags: string[]): Promise<void> {
    const args = [
      'gateway',
      '--config',
      file,
      '--engine',
      programs.victoriaMetrics,
      '--interval',
      '1s',
      '--',
      ...flags,
    ];
    this.process = start(process.execPath, [edgeProgram, ...args, '-search.latencyOffset=1ms'], {
      env: { httpAuth_username: 'test', httpAuth_password: enginePassword },
    });
    const serves = async () => (await fetch(`${this.engine}/health`)).ok && (await fetch(`${this.own}/healthz`)).ok;
    await ready(this.process, 'the gateway', serves, 30_000);
  }

  /** `FlyV1 fm2_…`, to read an organization's series. */
  token(org: string, file: string): string {
    return createToken(file, 'readonly', '-o', org);
  }

  async stop(): Promise<void> {
    if (this.process !== null) await stop(this.process, 20_000);
    rmSync(this.#folder, { recursive: true });
  }
}

/** What `fly-edge tokens create` prints. @param file edge.toml. */
export function createToken(file: string, ...args: string[]): string {
  return execFileSync(process.execPath, [edgeProgram, 'tokens', 'create', ...args, '--config', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
