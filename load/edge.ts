/** The edge under `npm run load`: the real program with a configuration of its own, in front of real instances. */

import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { control } from '../src/supervisor/control.ts';
import { type Page, parseExposition } from '../test/helpers/exposition.ts';
import { makeCertificate } from './certificate.ts';
import type { InstanceCounts } from './instance.ts';
import { freePorts, ready, start, stop } from './processes.ts';

const run = promisify(execFile);
export const edgeProgram = fileURLToPath(new URL('../bin/fly-edge.js', import.meta.url));
const instanceProgram = fileURLToPath(new URL('instance.ts', import.meta.url));

/** Name (its hostname is NAME.test), the lines of its concurrency section, and its instances. */
const apps: [name: string, concurrency: string, instances: string[]][] = [
  ['pooled', 'type = "requests"\nsoft_limit = 1000', ['aa01', 'aa02']],
  ['direct', 'type = "connections"\nsoft_limit = 1000', ['bb01']],
  ['slow', 'type = "requests"\nsoft_limit = 8\nhard_limit = 16', ['cc01']],
  ['dead', 'type = "requests"\nsoft_limit = 1000', ['dd01']],
];
/** Nothing listens there. */
const nowhere = 1;

export class Instance {
  readonly id: string;
  readonly port: number;
  readonly child: ChildProcess;

  private constructor(id: string, port: number, child: ChildProcess) {
    this.id = id;
    this.port = port;
    this.child = child;
  }

  static async start(id: string): Promise<Instance> {
    const child = start(process.execPath, [instanceProgram], { ipc: true });
    const [port] = (await once(child, 'message')) as [number];
    return new Instance(id, port, child);
  }

  async counts(): Promise<InstanceCounts> {
    const reply = once(this.child, 'message');
    this.child.send('counts');
    return (await reply)[0] as InstanceCounts;
  }
}

export class Edge {
  readonly http: number;
  readonly https: number;
  readonly instances: Instance[];
  readonly #file: string;
  readonly #metrics: string;
  readonly #child: ChildProcess;

  private constructor(ports: [number, number, number], instances: Instance[], file: string, child: ChildProcess) {
    [this.http, this.https] = ports;
    this.#file = file;
    this.instances = instances;
    this.#metrics = `http://127.0.0.1:${ports[2]}`;
    this.#child = child;
  }

  /** Starts the instances and the edge; its files go into `directory`. Throws, with what it wrote, when it is not ready in time. */
  static async start(directory: string, workers: number): Promise<Edge> {
    const alive = apps.filter(([name]) => name !== 'dead').flatMap(([, , ids]) => ids);
    const instances = await Promise.all(alive.map((id) => Instance.start(id)));
    const ports = (await freePorts(3)) as [number, number, number];
    const file = configure(directory, workers, ports, instances);
    const child = start(process.execPath, [edgeProgram, 'run', '--config', file]);
    const edge = new Edge(ports, instances, file, child);
    try {
      await ready(edge.#child, 'the edge', async () => (await fetch(`${edge.#metrics}/healthz`)).ok);
    } catch (error) {
      await edge.stop();
      throw error;
    }
    return edge;
  }

  /** The proxy series alone: those of the supervisor's own process never stand still. */
  async scrape(): Promise<Page> {
    const response = await fetch(`${this.#metrics}/metrics`);
    if (!response.ok) throw new Error(`the scrape was answered ${response.status}`);
    const lines = (await response.text()).split('\n').filter((line) => line.startsWith('fly_'));
    return parseExposition(lines.map((line) => `${line}\n`).join(''));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Flips the slots. @throws what the command said. */
  async restart(): Promise<void> {
    await run(process.execPath, [edgeProgram, 'restart', '--config', this.#file]);
  }

  /** Generations that drain. */
  async draining(): Promise<number> {
    const response = await control(join(dirname(this.#file), 'edge.sock'), { command: 'status' });
    if (!response.ok) throw new Error(response.reason);
    return response.status.slots.filter(({ state }) => state === 'draining').length;
  }

  async stop(): Promise<void> {
    await stop(this.#child);
    await Promise.all(this.instances.map(({ child }) => stop(child)));
  }
}

/** Writes edge.toml, a fly.toml per app and the certificate; returns the path of edge.toml. */
function configure(directory: string, workers: number, ports: [number, number, number], instances: Instance[]): string {
  mkdirSync(join(directory, 'apps'));
  const certificate = makeCertificate(
    directory,
    apps.map(([name]) => `${name}.test`),
  );
  const blocks = apps.map(([name, concurrency, ids]) => {
    const section = `[http_service]\ninternal_port = 8080\n[http_service.concurrency]\n${concurrency}\n`;
    writeFileSync(join(directory, 'apps', `${name}.toml`), `app = "${name}"\n${section}`);
    const listed = ids.map((id) => {
      const port = instances.find((instance) => instance.id === id)?.port ?? nowhere;
      return `[[apps.instances]]\nid = "${id}"\naddress = "127.0.0.1:${port}"\n`;
    });
    return `[[apps]]\nconfig = "apps/${name}.toml"\norg = "load"\nhostnames = ["${name}.test"]\n${listed.join('')}`;
  });
  const file = join(directory, 'edge.toml');
  writeFileSync(
    file,
    `region = "lab"
host = "10ad"
address = "127.0.0.1"
ports = { 80 = ${ports[0]}, 443 = ${ports[1]} }
[metrics]
listen = "127.0.0.1:${ports[2]}"
[slots]
workers = ${workers}
control = "edge.sock"
[[certificates]]
cert = "${certificate.cert}"
key = "${certificate.key}"
${blocks.join('')}`,
  );
  return file;
}
