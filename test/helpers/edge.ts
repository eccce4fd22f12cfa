/** The real program in front of a test's instances, with a configuration of its own. */

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { control } from '../../src/supervisor/control.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { fallen, gauges, type Page, parseExposition } from './exposition.ts';
import { logLine } from './log-line.ts';
import { until } from './until.ts';
import { Watch } from './watch.ts';

export const edgeProgram = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Public ports (fly.toml's) and the free local ports that stand for them. */
type Ports = Map<number, number>;

export interface AppOptions {
  name: string;
  /** `NAME.test` without it. */
  hostnames?: string[];
  /** fly.toml after its `app` line; one HTTP service on port 80 without it. See `service`. */
  fly?: string;
  /** One of `organizations`. */
  org?: string;
  instances: {
    id: string;
    /** 127.0.0.1 without it. */
    host?: string;
    port?: number;
    process?: string;
    /** `host:port`. */
    agent?: string;
    exporters?: string[];
  }[];
}

export interface EdgeOptions {
  apps: AppOptions[];
  /** Ids by slug. */
  organizations?: Record<string, number>;
  /** Slug of the one whose page has what belongs to no app, too. */
  operator?: string;
  /** Lines at the end of edge.toml: whole tables. */
  more?: string;
  /** Public ports that get a free local one each; 80 without it. */
  ports?: number[];
  workers?: number;
  access?: boolean;
  /** `[log] file`. */
  logFile?: string;
  /** Keys of `[limits]`, values as TOML: `"300ms"` with its quotes, or a number. */
  limits?: Record<string, string | number>;
  trusted?: string[];
  proxyProtocol?: 'off' | 'optional' | 'required';
  certificates?: { cert: string; key: string; default?: boolean }[];
  /** The trusted ones' Fly-Client-IP is believed. */
  flyClientIp?: boolean;
  /** `"5s"` each. */
  drainTimeout?: string;
  websocketDrainTimeout?: string;
  /** Further lines for `[metrics]`. */
  metrics?: string;
  /** Further lines for `[slots]`. */
  slots?: string;
  /** A program, with its arguments, that starts the edge: `prlimit` with its limits. */
  under?: string[];
}

export interface ServiceOptions {
  /** Public port, 80. */
  port?: number;
  /** `["http"]`. */
  handlers?: string[];
  /** `requests`: connections to the instance are pooled (the default here, unlike in fly.toml). */
  type?: 'requests' | 'connections';
  soft?: number;
  hard?: number;
  /** Further lines of `[[services.ports]]`, such as `force_https = true` or `http_options = { … }`. */
  more?: string;
  /** Whole `[[services.http_checks]]` or `[[services.tcp_checks]]`. */
  checks?: string;
}

/** One `[[services]]` of a fly.toml. */
export function service(options: ServiceOptions = {}): string {
  const { port = 80, handlers = ['http'], type = 'requests', soft = 1000, hard, more = '', checks = '' } = options;
  return `[[services]]
internal_port = 8080
[services.concurrency]
type = "${type}"
soft_limit = ${soft}
${hard === undefined ? '' : `hard_limit = ${hard}`}
[[services.ports]]
port = ${port}
handlers = ${JSON.stringify(handlers)}
${more}
${checks}
`;
}

export class Edge {
  readonly child: ChildProcess;
  /** Path of edge.toml, for other commands. */
  readonly file: string;
  readonly #directory: string;
  readonly #ports: Ports;
  #options: EdgeOptions;
  readonly #metrics: string;
  readonly #stderr = new Lines();
  readonly #stdout = new Lines();
  readonly #gauges = new Set<string>();
  #scraped: Page | null = null;

  private constructor(directory: string, file: string, ports: Ports, metrics: number, options: EdgeOptions) {
    this.#directory = directory;
    this.#options = options;
    const { under = [] } = options;
    this.file = file;
    this.#ports = ports;
    this.#metrics = `http://127.0.0.1:${metrics}`;
    const [program, ...args] = [...under, process.execPath, edgeProgram, 'run', '--config', file];
    this.child = start(program!, args, { stdout: true });
    this.child.stderr!.on('data', (text: string) => this.#stderr.add(text));
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#stdout.add(text));
  }

  /** Resolves once it serves. Throws, with what it wrote, when it does not. */
  static async start(options: EdgeOptions): Promise<Edge> {
    const { directory, file, ports, metrics } = await write(options);
    const edge = new Edge(directory, file, ports, metrics, options);
    try {
      await ready(edge.child, 'the edge', async () => (await fetch(`${edge.#metrics}/healthz`)).ok, 30_000);
    } catch (error) {
      await stop(edge.child);
      throw error;
    }
    return edge;
  }

  /** The local port of a public one. */
  port(publicPort = 80): number {
    return this.#ports.get(publicPort)!;
  }

  get metricsUrl(): string {
    return this.#metrics;
  }

  /** Events and errors, as they were logged. */
  get log(): Record<string, unknown>[] {
    return this.#stderr.parsed;
  }

  get accessLog(): Record<string, unknown>[] {
    return this.#stdout.parsed;
  }

  /** What `fly-edge status` tells. */
  async status(): Promise<Status> {
    const response = await control(join(this.#directory, 'edge.sock'), { command: 'status' });
    if (!('status' in response)) throw new Error(`no status: ${JSON.stringify(response)}`);
    return response.status;
  }

  /** Flips the slots; resolves once the new one serves. Throws the reason when it does not. */
  async restart(): Promise<void> {
    const response = await control(join(this.#directory, 'edge.sock'), { command: 'restart' });
    if (!response.ok) throw new Error(response.reason);
  }

  /** `blue 1 draining`, `green 2 accepting`: the slots that live. */
  async slots(): Promise<string[]> {
    return (await this.status()).slots.map(({ colour, generation, state }) => `${colour} ${generation} ${state}`);
  }

  /** Waits until only the slot that serves is left. */
  async drained(): Promise<void> {
    await until(async () => (await this.status()).slots.length === 1, 'the old slots to end');
  }

  /** Waits until no connection is left, also none that has no app yet: it would be counted at its end. */
  async quiet(): Promise<void> {
    await until(async () => (await this.status()).slots.every(({ connections }) => connections === 0), 'no connection');
  }

  /** Of the workers that serve. */
  async pids(): Promise<number[]> {
    return (await this.status()).slots.flatMap(({ workers }) => workers.map(({ pid }) => pid));
  }

  /** The `fly_*` series now. Throws when a counter or bucket fell since the scrape before. */
  async scrape(): Promise<Page> {
    const before = this.#scraped;
    const response = await fetch(`${this.#metrics}/metrics`);
    if (!response.ok) throw new Error(`the scrape was answered ${response.status}`);
    const text = await response.text();
    const lines = text.split('\n').filter((line) => line.startsWith('fly_'));
    const page = parseExposition(lines.map((line) => `${line}\n`).join(''));
    // A gauge may be gone, and what said that it is one with it.
    for (const name of gauges(text)) this.#gauges.add(name);
    const fell = before === null ? [] : fallen(before, page, this.#gauges);
    if (fell.length > 0) throw new Error(`counters fell: ${fell.join(', ')}`);
    this.#scraped = page;
    return page;
  }

  /** Writes its configuration anew, on the same ports, and restarts it. */
  async reconfigure(change: Partial<EdgeOptions>): Promise<void> {
    this.#options = { ...this.#options, ...change };
    configure(this.#directory, this.#options, this.#ports, Number(new URL(this.#metrics).port));
    const response = await control(join(this.#directory, 'edge.sock'), { command: 'restart' });
    if (!response.ok) throw new Error(response.reason);
  }

  /** From here on: what moves. */
  watch(): Promise<Watch> {
    return Watch.begin(this);
  }

  /** SIGTERM; what still runs is cut at the drain's deadline. Throws unless it ends with exit code 0. */
  async stop(): Promise<void> {
    await stop(this.child, 30_000);
    rmSync(this.#directory, { recursive: true });
    const { exitCode, signalCode } = this.child;
    if (exitCode !== 0) {
      throw new Error(`the edge ended with ${exitCode ?? signalCode}: ${JSON.stringify(this.log.slice(-5))}`);
    }
  }
}

/** The configuration alone, for a test that runs a supervisor by itself; removed with the test. */
export async function prepare(options: EdgeOptions): Promise<{ file: string; port(publicPort: number): number }> {
  const { directory, file, ports } = await write(options);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return { file, port: (publicPort) => ports.get(publicPort)! };
}

async function write(options: EdgeOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'fly-edge-e2e-'));
  const wanted = options.ports ?? [80];
  const [metrics, ...local] = (await freePorts(1 + wanted.length)) as [number, ...number[]];
  const ports: Ports = new Map(wanted.map((port, i) => [port, local[i]!]));
  return { directory, file: configure(directory, options, ports, metrics), ports, metrics };
}

/** JSON lines that come in pieces. */
class Lines {
  readonly parsed: Record<string, unknown>[] = [];
  #rest = '';

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('{')) this.parsed.push(logLine(line));
  }
}

/** Writes edge.toml and a fly.toml for each app; returns the path of edge.toml. */
function configure(directory: string, options: EdgeOptions, ports: Ports, metrics: number): string {
  const apps = options.apps.map(({ name, hostnames = [`${name}.test`], fly = service(), org, instances }) => {
    writeFileSync(join(directory, `${name}.toml`), `app = "${name}"\n${fly}`);
    const listed = instances.map(
      ({ id, host = '127.0.0.1', port, process, agent, exporters = [] }) => `[[apps.instances]]
id = "${id}"
address = "${host}${port === undefined ? '' : `:${port}`}"
${process === undefined ? '' : `process = "${process}"`}
${agent === undefined ? '' : `agent = "${agent}"`}
exporters = ${JSON.stringify(exporters)}
`,
    );
    return `[[apps]]
config = "${name}.toml"
${org === undefined ? '' : `org = "${org}"`}
hostnames = ${JSON.stringify(hostnames)}
${listed.join('')}`;
  });
  const certificates = (options.certificates ?? []).map(
    ({ cert, key, default: standard = false }) =>
      `[[certificates]]\ncert = "${cert}"\nkey = "${key}"\n${standard ? 'default = true\n' : ''}`,
  );
  const organizations = Object.entries(options.organizations ?? {}).map(
    ([slug, id]) => `[[organizations]]\nslug = "${slug}"\nid = ${id}\noperator = ${slug === options.operator}\n`,
  );
  const limits = Object.entries(options.limits ?? {}).map(([key, value]) => `${key} = ${value}\n`);
  const file = join(directory, 'edge.toml');
  writeFileSync(
    file,
    `region = "lab"
host = "2bc3"
address = "127.0.0.1"
ports = { ${[...ports].map(([from, to]) => `${from} = ${to}`).join(', ')} }
[metrics]
listen = "127.0.0.1:${metrics}"
${options.metrics ?? ''}
[log]
access = ${options.access ?? false}
${options.logFile === undefined ? '' : `file = "${options.logFile}"`}
[slots]
workers = ${options.workers ?? 1}
control = "edge.sock"
drain_timeout = "${options.drainTimeout ?? '5s'}"
websocket_drain_timeout = "${options.websocketDrainTimeout ?? '5s'}"
${options.slots ?? ''}
[trusted_proxies]
cidrs = ${JSON.stringify(options.trusted ?? [])}
proxy_protocol = "${options.proxyProtocol ?? 'off'}"
fly_client_ip = ${options.flyClientIp ?? false}
[limits]
${limits.join('')}
${organizations.join('')}
${certificates.join('')}
${apps.join('')}
${options.more ?? ''}`,
  );
  return file;
}
