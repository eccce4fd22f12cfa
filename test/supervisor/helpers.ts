import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import type { Plan } from '../../src/config/plan.ts';
import { planFor } from '../../src/config/quick.ts';
import { Supervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';

export const fakeWorker = fileURLToPath(new URL('./fixtures/worker.ts', import.meta.url));

/** On ports of the system's choice. */
export function testPlan(change: (plan: Plan) => void = () => {}): Plan {
  const plan = planFor({ to: '127.0.0.1:9', app: 'demo' });
  if ('message' in plan) throw new Error(plan.message);
  plan.listeners[0]!.port = 0;
  plan.metrics.port = 0;
  plan.slots.workers = 2;
  plan.slots.drainTimeout = 100;
  change(plan);
  return plan;
}

export type Log = Record<string, unknown>[];

/**
 * With workers that are fakes; ended with the test.
 * @param load what a restart reads. @param lines collects what is logged.
 */
export function testSupervisor(
  plan: Plan,
  load: SupervisorOptions['load'] = async () => ({ plan, faults: [], warnings: [] }),
  lines: Log = [],
): Supervisor {
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const supervisor = new Supervisor(plan, { log, load, workerEntry: fakeWorker });
  onTestFinished(async () => {
    supervisor.kill();
    await supervisor.stop();
  });
  return supervisor;
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Connects and sends a word; `answer` is the next chunk. */
export async function client(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

export async function ask(socket: net.Socket, word: string): Promise<string> {
  socket.write(word);
  const [answer] = await once(socket, 'data');
  return String(answer);
}

export async function until<T>(condition: () => T | Promise<T>, deadline = 10_000): Promise<T> {
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${condition}`);
    await setTimeout(10);
  }
}

/** The value of a series on the scrape page; undefined when it is not there. */
export async function scraped(supervisor: Supervisor, series: string): Promise<number | undefined> {
  const { address, port } = supervisor.status.metrics;
  const page = await (await fetch(`http://${address}:${port}/metrics`)).text();
  const line = page.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
