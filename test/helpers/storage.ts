/** Real storage engines, on ports and in folders of their own. */

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, ready, start, stop } from '../../load/processes.ts';

export const programs = {
  victoriaMetrics: '/usr/bin/victoria-metrics',
  vmagent: '/usr/bin/vmagent',
  prometheus: '/usr/bin/prometheus',
} as const;

/** Whether all are installed; says what is not tested otherwise. */
export function installed(...names: (keyof typeof programs)[]): boolean {
  const missing = names.map((name) => programs[name]).filter((path) => !existsSync(path));
  if (missing.length > 0) console.warn(`no storage tier is tested: ${missing.join(', ')} is not installed`);
  return missing.length === 0;
}

export interface Result {
  metric: Record<string, string>;
  value: [number, string];
}

export interface Line {
  metric: Record<string, string>;
  values: [number, string][];
}

export class Storage {
  /** Without path: `http://127.0.0.1:PORT`. */
  readonly url: string;
  #child: ChildProcess;
  readonly #start: () => ChildProcess;

  private constructor(port: number, command: () => ChildProcess) {
    this.url = `http://127.0.0.1:${port}`;
    this.#start = command;
    this.#child = command();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Fresh samples are shown at once. @param folder for its data. */
  static async victoriaMetrics(folder: string, ...args: string[]): Promise<Storage> {
    const [port] = await freePorts(1);
    const all = [
      `-httpListenAddr=127.0.0.1:${port}`,
      `-storageDataPath=${join(folder, `vm-${port}`)}`,
      '-search.latencyOffset=1ms',
      '-search.disableCache',
      '-memory.allowedBytes=64MB',
      '-promscrape.httpSDCheckInterval=1s',
      ...args,
    ];
    return Storage.#ready(new Storage(port!, () => start(programs.victoriaMetrics, all)), '/health');
  }

  /** Scrapes only. */
  static async vmagent(folder: string, ...args: string[]): Promise<Storage> {
    const [port] = await freePorts(1);
    const all = [
      `-httpListenAddr=127.0.0.1:${port}`,
      `-remoteWrite.tmpDataPath=${join(folder, `vmagent-${port}`)}`,
      '-promscrape.httpSDCheckInterval=1s',
      ...args,
    ];
    return Storage.#ready(new Storage(port!, () => start(programs.vmagent, all)), '/health');
  }

  /** @param config its file. */
  static async prometheus(folder: string, config: string): Promise<Storage> {
    const [port] = await freePorts(1);
    const all = [
      `--web.listen-address=127.0.0.1:${port}`,
      `--storage.tsdb.path=${join(folder, `prometheus-${port}`)}`,
      `--config.file=${config}`,
    ];
    return Storage.#ready(new Storage(port!, () => start(programs.prometheus, all)), '/-/ready');
  }

  static async #ready(storage: Storage, path: string): Promise<Storage> {
    await storage.ready(path);
    return storage;
  }

  async ready(path = '/health'): Promise<void> {
    await ready(this.#child, 'the storage', async () => (await fetch(this.url + path)).ok);
  }

  /** What a query gives now. */
  async query(query: string, parameters: Record<string, string> = {}): Promise<Result[]> {
    const asked = new URLSearchParams({ query, nocache: '1', ...parameters });
    const response = await fetch(`${this.url}/api/v1/query?${asked}`);
    const body = (await response.json()) as { status: string; error?: string; data: { result: Result[] } };
    if (body.status !== 'success') throw new Error(`${query}: ${body.error}`);
    return body.data.result;
  }

  /** What it gives from `start` to `end`, a point every `step` seconds. */
  async range(query: string, start: number, end: number, step: number): Promise<Line[]> {
    const parameters = { query, start: String(start), end: String(end), step: String(step), nocache: '1' };
    const response = await fetch(`${this.url}/api/v1/query_range?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { status: string; error?: string; data: { result: Line[] } };
    if (body.status !== 'success') throw new Error(`${query}: ${body.error}`);
    return body.data.result;
  }

  /** The labels of all series that a selector finds, without those with a `__` name. */
  async labels(selector: string): Promise<Record<string, string>[]> {
    return (await this.query(selector)).map(({ metric }) => metric);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** After `kill`. */
  async restart(): Promise<void> {
    await stop(this.#child);
    this.#child = this.#start();
    await this.ready();
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}
