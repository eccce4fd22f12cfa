/** Slots that come and go: who serves what, when the old one leaves, and that the series of both colours stay exact. */

import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { CountingClient, Ledger } from '../helpers/counting-client.ts';
import { Edge, type EdgeOptions } from '../helpers/edge.ts';
import { type Page, select, sum } from '../helpers/exposition.ts';
import { HttpInstance, RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let edge: Edge;
let instance: RawInstance;
let echo: HttpInstance;

beforeAll(async () => {
  instance = await RawInstance.start();
  echo = await HttpInstance.start();
});
afterAll(async () => {
  await instance.stop();
  await echo.stop();
});
beforeEach(() => instance.forget());
afterEach(() => edge.stop());

async function start(options: Partial<EdgeOptions> = {}): Promise<void> {
  edge = await Edge.start({
    // Nothing here ends because of its deadline, unless a test says so.
    drainTimeout: '10m',
    websocketDrainTimeout: '10m',
    apps: [
      { name: 'demo', instances: [{ id: 'aa', port: instance.port }] },
      { name: 'echo', instances: [{ id: 'bb', port: echo.port }] },
    ],
    ...options,
  });
}

const hello = request('GET', '/', 'Connection: close\r\n', '', 'echo.test');

/** A request that its instance has not answered yet. */
async function held(): Promise<{ client: RawSocket; answer(): Promise<void> }> {
  const client = await rawClient(edge.port());
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  return {
    client,
    async answer() {
      peer.send(answer('late'));
      expect(await client.response()).toMatchObject({ status: 200, body: 'late' });
      client.end();
    },
  };
}

const byColour = (page: Page, name: string, filter: Record<string, string> = {}) => ({
  blue: sum(page, name, { ...filter, proxy_id: 'blue' }),
  green: sum(page, name, { ...filter, proxy_id: 'green' }),
});
const connects = 'fly_edge_tcp_connects_count';
const disconnects = 'fly_edge_tcp_disconnects_count';
const responses = 'fly_edge_http_responses_count';

test("what waits in the kernel's accept queue is served by the new slot", async () => {
  await start();
  const watch = await edge.watch();
  const [old] = (await edge.pids()) as [number];
  const waiting: RawSocket[] = [];
  process.kill(old, 'SIGSTOP');
  try {
    for (let i = 0; i < 50; i++) waiting.push((await rawClient(edge.port())).send(hello));
    await edge.restart();
    // The old slot's worker still stands still.
    for (const client of waiting) expect((await client.response()).status).toBe(200);
  } finally {
    process.kill(old, 'SIGCONT');
  }
  for (const client of waiting) client.end();
  await watch.moved({ 'edge 200': 50, 'app 200': 50, 'edge connects': 50 });
  expect(byColour(await edge.scrape(), connects)).toEqual({ blue: 0, green: 50 });
  await edge.drained();
  expect(edge.log.filter(({ msg }) => String(msg).includes('hangs'))).toEqual([]);
});

test('both colours are exposed while and after a drain, and go on when they come back', async () => {
  await start();
  const first = await held();
  await edge.restart();
  const second = await held();
  const during = await edge.scrape();
  expect(byColour(during, connects)).toEqual({ blue: 1, green: 1 });
  expect(byColour(during, disconnects)).toEqual({ blue: 0, green: 0 });
  expect(byColour(during, 'fly_app_concurrency', { app: 'demo' })).toEqual({ blue: 1, green: 1 });
  expect(byColour(during, 'fly_slot_state', { state: 'draining' })).toEqual({ blue: 1, green: 0 });
  await first.answer();
  await edge.drained();
  const after = await edge.scrape();
  expect(byColour(after, connects)).toEqual({ blue: 1, green: 1 });
  expect(byColour(after, disconnects)).toEqual({ blue: 1, green: 0 });
  expect(byColour(after, responses, { status: '200' })).toEqual({ blue: 1, green: 0 });
  // Gauges belong to a generation, and go with it.
  expect(select(after, 'fly_app_concurrency', { app: 'demo' }).map(({ labels }) => labels.proxy_id)).toEqual(['green']);
  expect(byColour(after, 'fly_slot_state', { state: 'draining' })).toEqual({ blue: 0, green: 0 });
  expect(byColour(after, 'fly_slot_drain_time_seconds_count')).toEqual({ blue: 1, green: 0 });
  await second.answer();
  await edge.restart();
  await edge.drained();
  await (await held()).answer();
  await until(async () => {
    const { blue } = byColour(await edge.scrape(), responses, { status: '200' });
    return blue === 2;
  }, 'blue went on from where it was');
});

test('the old slot leaves with its last connection, and not before', async () => {
  await start({ workers: 2 });
  const watch = await edge.watch();
  const requests = [await held(), await held(), await held()];
  await edge.restart();
  for (const { answer } of requests) {
    expect(await edge.slots()).toEqual(['blue 1 draining', 'green 2 accepting']);
    await answer();
  }
  // Hours before any deadline.
  await edge.drained();
  await watch.moved({ 'edge 200': 3, 'app 200': 3, 'edge connects': 3 });
});

test('a slot without connections leaves at once', async () => {
  await start({ workers: 2 });
  await edge.restart();
  await edge.drained();
  expect(await edge.slots()).toEqual(['green 2 accepting']);
  expect(edge.log).toContainEqual(expect.objectContaining({ msg: 'the slot has ended', generation: 1, cut: 0 }));
});

test('restarts during a drain: each generation finishes what it has, in whatever order', async () => {
  await start();
  const watch = await edge.watch();
  const requests: Awaited<ReturnType<typeof held>>[] = [];
  for (let i = 0; i < 4; i++) {
    requests.push(await held());
    await edge.restart();
  }
  expect(await edge.slots()).toEqual([
    'blue 1 draining',
    'green 2 draining',
    'blue 3 draining',
    'green 4 draining',
    'blue 5 accepting',
  ]);
  for (const generation of [2, 4, 1, 3]) {
    await requests[generation - 1]!.answer();
    await until(async () => !(await edge.slots()).some((slot) => slot.includes(` ${generation} `)), 'it to leave');
  }
  expect(await edge.slots()).toEqual(['blue 5 accepting']);
  await watch.moved({ 'edge 200': 4, 'app 200': 4, 'edge connects': 4 });
  expect(byColour(await edge.scrape(), responses, { status: '200' })).toEqual({ blue: 2, green: 2 });
});

test('a stop during a drain: requests of both slots are answered, then the edge ends', async () => {
  await start();
  const first = await held();
  await edge.restart();
  const second = await held();
  const idle = await rawClient(edge.port());
  await until(async () => (await edge.status()).slots[1]!.connections === 2, 'both connections');
  edge.child.kill('SIGTERM');
  // Nobody takes over: what has no request goes at once.
  expect(await idle.peerEnd()).toBe('fin');
  idle.end();
  await until(async () => (await edge.slots()).join() === 'blue 1 draining,green 2 draining', 'both drain');
  await first.answer();
  await until(async () => (await edge.slots()).join() === 'green 2 draining', 'the first to leave');
  const page = await edge.scrape();
  expect(byColour(page, responses, { status: '200' })).toEqual({ blue: 1, green: 0 });
  expect(byColour(page, connects)).toEqual({ blue: 1, green: 2 });
  const ended = once(edge.child, 'exit');
  await second.answer();
  expect(await ended).toEqual([0, null]);
});

test('one generation more than max_draining cuts the oldest, with RST, and counts it', async () => {
  await start({ slots: 'max_draining = 2' });
  const watch = await edge.watch();
  const clients: Awaited<ReturnType<typeof held>>[] = [];
  for (let i = 0; i < 3; i++) {
    clients.push(await held());
    await edge.restart();
  }
  expect(await clients[0]!.client.peerEnd()).toBe('reset');
  await until(
    async () => (await edge.slots()).join() === 'green 2 draining,blue 3 draining,green 4 accepting',
    'the oldest to leave',
  );
  for (const { answer } of clients.slice(1)) await answer();
  await watch.moved({ 'edge 200': 2, 'app 200': 2, 'edge connects': 3 });
  await edge.drained();
  expect(byColour(await edge.scrape(), 'fly_slot_drain_cut_count')).toEqual({ blue: 1, green: 0 });
  expect(edge.log).toContainEqual(
    expect.objectContaining({
      msg: expect.stringContaining('more generations drain than max_draining'),
      slot: 'blue',
      generation: 1,
      connections: 1,
    }),
  );
});

test('slots that live and die between two scrapes lose nothing', async () => {
  await start({ workers: 2 });
  const before = await edge.scrape();
  const ledger = new Ledger();
  const flips = 6;
  const ours = request('GET', '/', '', '', 'echo.test');
  const unknown = request('GET', '/', '', '', 'no.test');
  for (let flip = 0; flip < flips; flip++) {
    // Traffic while the slots flip, on connections that live through it.
    const clients = Array.from({ length: 4 }, () => new CountingClient(ledger, edge.port()));
    await Promise.all([
      ...clients.map(async (client) => {
        for (let i = 0; i < 40 && !client.leaving; i++) await client.ask(i % 5 === 4 ? unknown : ours);
        await client.end();
      }),
      edge.restart(),
    ]);
    await edge.drained();
  }
  expect((await edge.status()).slots[0]!.generation).toBe(flips + 1);
  const after = await edge.scrape();
  const moved = (name: string, filter?: Record<string, string>) => sum(after, name, filter) - sum(before, name, filter);
  expect(moved(responses, { status: '200' })).toBe(ledger.statuses[200]);
  expect(moved(responses, { status: '404' })).toBe(ledger.statuses[404] ?? 0);
  expect(moved(responses)).toBe(ledger.responses);
  for (const time of ['_count', '_bucket'])
    expect(moved(`fly_edge_http_response_time_seconds${time}`, time === '_bucket' ? { le: '+Inf' } : {})).toBe(
      ledger.responses,
    );
  expect(moved(connects)).toBe(ledger.connections);
  expect(moved(disconnects)).toBe(ledger.connections);
  expect(moved('fly_edge_data_in')).toBe(ledger.sent);
  expect(moved('fly_edge_data_out')).toBe(ledger.received);
  expect(moved('fly_app_http_responses_count')).toBe(ledger.statuses[200]);
  expect(moved('fly_slot_flips_count', { result: 'served' })).toBe(flips);
  expect(moved('fly_slot_drain_time_seconds_count')).toBe(flips);
  expect(moved('fly_slot_drain_cut_count')).toBe(0);
  expect(ledger.connections).toBeGreaterThanOrEqual(4 * flips);
});
