/** Faults injected at each step of a start and of an upgrade; those of a restart are in flip.test.ts. */

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { CommandSocket } from '../../src/supervisor/commands.ts';
import { Hub } from '../../src/supervisor/hub.ts';
import { ListeningSockets } from '../../src/supervisor/listening-sockets.ts';
import { ScrapeEndpoint } from '../../src/supervisor/scrape-endpoint.ts';
import { Slot } from '../../src/supervisor/slot.ts';
import { SlotSeries } from '../../src/supervisor/slot-series.ts';
import { Slots } from '../../src/supervisor/slots.ts';
import { Successor } from '../../src/supervisor/successor.ts';
import { WorkerPool } from '../../src/supervisor/worker-pool.ts';
import { freePort } from '../cli/helpers.ts';
import { ask, client, temporaryFolder, testPlan, testSupervisor, until } from './helpers.ts';

vi.setConfig({ testTimeout: 60_000 });

type Methods = Record<string, (...args: never[]) => unknown>;

/** @returns takes the fault away. */
function inject(prototype: object, method: string): () => void {
  const spy = vi.spyOn(prototype as Methods, method).mockImplementationOnce(() => {
    throw new RangeError('injected');
  });
  return () => {
    expect(spy).toHaveBeenCalled();
    spy.mockRestore();
  };
}

async function refused(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => false),
    once(socket, 'error').then(() => true),
  ]).catch(() => true);
  socket.destroy();
  return outcome;
}

test.for<[step: string, prototype: object, method: string]>([
  ['opening the control socket', CommandSocket.prototype, 'listen'],
  ['opening the metrics endpoint', ScrapeEndpoint.prototype, 'open'],
  ['opening the sockets', ListeningSockets.prototype, 'open'],
  ['bringing up the slot', Slots.prototype, 'serve'],
  ['starting its workers', WorkerPool.prototype, 'start'],
  ['handing over the sockets', ListeningSockets.prototype, 'of'],
  ['letting them accept', Slot.prototype, 'accept'],
])('a fault while %s: the start says so, and leaves nothing behind', async ([, prototype, method]) => {
  const port = await freePort();
  const plan = testPlan((plan) => {
    plan.listeners[0]!.port = port;
    plan.slots.workers = 1;
  });
  const supervisor = testSupervisor(plan);
  const restore = inject(prototype, method);
  expect(await supervisor.start()).toBe('internal: injected');
  restore();
  await supervisor.ended;
  expect(await refused(port)).toBe(true);
  // The ports are free for the next one.
  const next = testSupervisor(plan);
  expect(await next.start()).toBeNull();
});

test.for<[step: string, prototype: object, method: string]>([
  ['sending it the sockets', Successor.prototype, 'send'],
  ['handing over the metrics endpoint', ScrapeEndpoint.prototype, 'suspend'],
  ['writing down the last counts', SlotSeries.prototype, 'flush'],
  ['handing over the counts', Hub.prototype, 'handOver'],
])('a fault while %s: the upgrade says so, the old supervisor serves and is scraped', async ([, prototype, method]) => {
  const metrics = await freePort();
  const control = join(temporaryFolder(), 'edge.sock');
  const plan = testPlan((plan) => {
    plan.slots.workers = 1;
    plan.slots.control = control;
    plan.metrics.port = metrics;
  });
  const supervisor = testSupervisor(plan);
  expect(await supervisor.start()).toBeNull();
  const { port } = supervisor.status.listeners[0]!;
  const pid = async () => {
    const socket = await client(port);
    const answer = await ask(socket, 'pid');
    socket.destroy();
    return answer;
  };
  const before = await pid();
  // A successor that says what is expected of it, and does nothing.
  const main = join(temporaryFolder(), 'successor.mjs');
  writeFileSync(main, 'process.on("message", () => {}); setInterval(() => {}, 1000);\n');
  const children: Successor[] = [];
  const reached = vi.spyOn(Successor.prototype, 'reached').mockImplementation(async function (this: Successor, step) {
    children.push(this);
    return { type: step, timeout: 10_000, pid: 1, changes: [] } as never;
  });
  const restore = inject(prototype, method);
  expect(await supervisor.upgrade([process.execPath, main], 'edge.toml')).toEqual({ fault: 'internal: injected' });
  restore();
  reached.mockRestore();
  await children[0]!.ended;
  expect(await pid()).toBe(before);
  expect(supervisor.status.slots).toMatchObject([{ state: 'accepting', generation: 1 }]);
  expect((await fetch(`http://127.0.0.1:${metrics}/metrics`)).status).toBe(200);
  expect(await supervisor.restart()).toHaveProperty('changes');
  await until(() => supervisor.status.slots.length === 1);
});
