import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { control } from '../../src/supervisor/control.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { logLine } from '../helpers/log-line.ts';
import { until } from '../supervisor/helpers.ts';

export const bin = fileURLToPath(new URL('../../bin/fly-edge.js', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Program {
  process: ChildProcess;
  /** So far. */
  readonly stdout: string;
  readonly stderr: string;
  ended: Promise<Ended>;
}

/** Starts the program; ended with the test. */
export function start(args: string[], node = process.execPath, program = bin): Program {
  const child = spawn(node, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', (data) => (text.stdout += data));
  child.stderr!.setEncoding('utf8').on('data', (data) => (text.stderr += data));
  const ended = once(child, 'close').then(([code]) => {
    for (const line of text.stderr.split('\n')) if (/^\{.*\}$/.test(line)) logLine(line);
    return { code, ...text };
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    process: child,
    ended,
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
  };
}

export const run = (...args: string[]): Promise<Ended> => start(args).ended;

/** An HTTP server as instance, on a port of the system's choice. */
export async function instance(
  listener: RequestListener = (_request, response) => response.end('hello\n'),
): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

export interface Config {
  file: string;
  http: number;
  metrics: number;
}

/** A folder with an edge.toml and one app in front of `to`; removed with the test. */
export async function config(
  to: number,
  more: { workers?: number; edge?: string; fly?: string } = {},
): Promise<Config> {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [http, metrics] = (await freePorts(2)) as [number, number];
  const file = join(folder, 'edge.toml');
  writeFileSync(
    join(folder, 'fly.toml'),
    `app = "demo"
[[services]]
internal_port = ${to}
[[services.ports]]
port = 80
handlers = ["http"]
${more.fly ?? ''}`,
  );
  writeFileSync(
    file,
    `region = "iad"
host = "2bc3"
address = "127.0.0.1"
ports = { 80 = ${http} }
[metrics]
listen = "127.0.0.1:${metrics}"
[slots]
workers = ${more.workers ?? 1}
drain_timeout = "5s"
${more.edge ?? ''}
[[apps]]
config = "fly.toml"
hostnames = ["localhost", "127.0.0.1"]
[[apps.instances]]
id = "148e21ea7e5068"
address = "127.0.0.1"
`,
  );
  return { file, http, metrics };
}

/** As `fly-edge status --json` has it. */
export async function status(file: string): Promise<Status> {
  const response = await control(join(dirname(file), 'run', 'edge.sock'), { command: 'status' });
  if (!response.ok) throw new Error(response.reason);
  return response.status;
}

/** Runs an edge until it serves. */
export async function serving(file: string): Promise<Program & { status: Status }> {
  const program = start(['run', '--config', file]);
  await until(() => {
    if (program.process.exitCode !== null) throw new Error(program.stderr);
    return program.stderr.includes('the slot serves');
  });
  return Object.assign(program, { status: await status(file) });
}

/** The value of a series; undefined when it is not there. */
export async function metric({ metrics }: Config, name: string): Promise<number | undefined> {
  const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  const line = page.split('\n').find((each) => each.startsWith(name));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}
