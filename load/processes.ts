/** Starting and ending the processes of a run, and finding ports for them. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface StartOptions {
  /** Pin the process, and what it starts, to this core. */
  core?: number;
  ipc?: boolean;
  /** Its standard output is read by the caller. */
  stdout?: boolean;
  /** Besides ours. */
  env?: NodeJS.ProcessEnv;
}

/** Starts a program with its output kept for the case that it fails. */
export function start(command: string, args: string[], options: StartOptions = {}): ChildProcess {
  const pinned = options.core !== undefined && findProgram('taskset') !== null;
  const stdio: StdioOptions = ['ignore', options.stdout ? 'pipe' : 'ignore', 'pipe'];
  if (options.ipc) stdio.push('ipc');
  const env = { ...process.env, ...options.env };
  const child = pinned
    ? spawn('taskset', ['-c', String(options.core), command, ...args], { stdio, env })
    : spawn(command, args, { stdio, env });
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-2000);
  });
  child.on('error', () => {});
  complaints.set(child, () => tail.trim());
  return child;
}

const complaints = new WeakMap<ChildProcess, () => string>();

/** SIGTERM, and SIGKILL after the grace period. Resolves once the process has ended. */
export async function stop(child: ChildProcess, grace = 5000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), grace);
  await ended;
  clearTimeout(timer);
}

/** Polls `check` until it holds. Throws what the process last wrote when that ends first, or the deadline passes. */
export async function ready(child: ChildProcess, name: string, check: () => Promise<boolean>, deadline = 15_000) {
  const end = Date.now() + deadline;
  while (!(await check().catch(() => false))) {
    const gone = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
    if (gone || Date.now() > end) {
      const how = gone ? `ended with ${child.exitCode ?? child.signalCode}` : 'was not ready in time';
      throw new Error(`${name} ${how}\n${complaints.get(child)?.() ?? ''}`.trim());
    }
    await delay(50);
  }
}

/**
 * Loopback ports that were free a moment ago, all different. They are below the ones that the kernel gives to outgoing
 * connections: one of those could take the port before whoever it is for.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer();
    server.listen(lowestPort + Math.floor(Math.random() * (ephemeralPort() - lowestPort)), '127.0.0.1');
    // Rejected when somebody has it.
    await once(server, 'listening').then(
      () => servers.push(server),
      () => {},
    );
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

const lowestPort = 10_000;

function ephemeralPort(): number {
  try {
    const lowest = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s/)[0]);
    return Math.max(lowest, lowestPort + 2000);
  } catch {
    // IANA's range, which other systems use.
    return 49_152;
  }
}

/** Absolute path of an installed program, or null. Looks where Debian keeps its daemons too. */
export function findProgram(name: string): string | null {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return null;
}
