/** Each way in which a worker can die, under load, one after the other: a crash loop with growing pauses. */

import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { CountingClient, Ledger } from '../helpers/counting-client.ts';
import { Edge } from '../helpers/edge.ts';
import { select, sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';

const fragile = fileURLToPath(new URL('fixtures/fragile.ts', import.meta.url));

/** What ends it, and what the supervisor then says of it. */
const deaths: [how: string, signal: NodeJS.Signals, exit: string, cause: string][] = [
  ['killed', 'SIGKILL', 'signal SIGKILL', 'signal'],
  ['segmentation fault', 'SIGSEGV', 'signal SIGSEGV', 'signal'],
  ['abort', 'SIGABRT', 'signal SIGABRT', 'signal'],
  ['exception', 'SIGUSR2', 'code 1', 'exit'],
  ['rejection', 'SIGWINCH', 'code 1', 'exit'],
  ['out of memory', 'SIGALRM', 'signal SIGABRT', 'signal'],
];
const clients = 8;
/** Counts are sent every 250 ms; a busy machine may be late. */
const untold = 1_000;
const get = 'GET / HTTP/1.1\r\nHost: web.test\r\n\r\n';

test('a worker that dies is replaced, whatever it died of; counters stay, gauges go, connections are accepted', {
  timeout: 90_000,
}, async () => {
  const instance = await HttpInstance.start();
  const edge = await Edge.start({
    workers: 2,
    apps: [{ name: 'web', instances: [{ id: 'aa', port: instance.port }] }],
    under: ['env', `NODE_OPTIONS=--max-old-space-size=64 --import=${fragile}`],
  });
  onTestFinished(async () => {
    await edge.stop();
    await instance.stop();
  });
  const ledger = new Ledger();
  const answeredAt: number[] = [];
  const errors = new Set<string>();
  let over = false;
  const load = Array.from({ length: clients }, async () => {
    while (!over) {
      const client = new CountingClient(ledger, edge.port());
      client.socket.on('error', ({ code }: NodeJS.ErrnoException) => errors.add(code ?? ''));
      // New connections go on coming, so that a replacement gets some.
      for (let asked = 0; asked < 50 && !over && !client.socket.destroyed; asked++) {
        const before = ledger.responses;
        await client.ask(get);
        if (ledger.responses > before) answeredAt.push(performance.now());
        await new Promise(setImmediate);
      }
      await client.end();
    }
  });
  const worker = async () => (await edge.status()).slots[0]!.workers[0]!;
  const died = () => edge.log.filter(({ msg }) => msg === 'a worker died and is replaced');
  const served = async () => sum(await edge.scrape(), 'fly_edge_http_responses_count', { status: '200' });
  const perhapsUntold: [from: number, to: number][] = [];
  try {
    for (const [i, [how, signal]] of deaths.entries()) {
      const { pid } = await until(async () => {
        const { state, connections, ...rest } = await worker();
        return state === 'accepting' && connections > 0 && rest;
      }, `a worker that serves, to be ended: ${how}`);
      const from = performance.now() - untold;
      process.kill(pid, signal);
      await until(() => died().length > i, `the end by ${how}`);
      // One that fails by itself tells what it has counted before it ends.
      if (how !== 'exception' && how !== 'rejection') perhapsUntold.push([from, performance.now()]);
      // The other one serves, and scrapes go on.
      const now = await served();
      await until(async () => (await served()) > now, 'requests are served');
    }
    await until(async () => (await worker()).state === 'accepting', 'the last one to be replaced');
  } finally {
    over = true;
    await Promise.all(load);
  }
  expect(died().map(({ exit, cause, worker }) => [exit, cause, worker])).toEqual(
    deaths.map(([, , exit, cause]) => [exit, cause, 0]),
  );
  expect(died().map(({ pause }) => pause)).toEqual([0, 100, 200, 400, 800, 1600]);
  // Never refused: the supervisor holds the sockets, and both workers accept from them.
  expect([...errors].filter((code) => !['ECONNRESET', 'EPIPE'].includes(code))).toEqual([]);

  const page = await until(async () => {
    const page = await edge.scrape();
    const open = sum(page, 'fly_edge_tcp_connects_count') - sum(page, 'fly_edge_tcp_disconnects_count');
    return open === 0 && page;
  }, 'all connections closed');
  expect(select(page, 'fly_app_concurrency').map(({ value }) => value)).toEqual([0]);
  expect(sum(page, 'fly_slot_worker_restarts_count', { reason: 'signal' })).toBe(4);
  expect(sum(page, 'fly_slot_worker_restarts_count', { reason: 'exit' })).toBe(2);
  const missing = ledger.responses - sum(page, 'fly_edge_http_responses_count', { status: '200' });
  const late = answeredAt.filter((at) => perhapsUntold.some(([from, to]) => from <= at && at <= to)).length;
  expect(ledger.statuses).toEqual({ 200: ledger.responses });
  expect(missing).toBeLessThanOrEqual(late);
  // What was counted and sent may have been lost to the client with its connection.
  expect(missing).toBeGreaterThanOrEqual(-clients * deaths.length);
  expect(late).toBeLessThan(ledger.responses);
});
