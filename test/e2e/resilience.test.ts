/** What strangers, shortage and death do to an edge: others are served on, nothing is left over, nothing is uncounted. */

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CountingClient, Ledger } from '../helpers/counting-client.ts';
import { Edge, service } from '../helpers/edge.ts';
import { type Page, sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let instance: HttpInstance;
let edge: Edge | null;
/** Answers of `/hang` that never come. */
let hanging = 0;

beforeEach(async () => {
  edge = null;
  hanging = 0;
  instance = await HttpInstance.start((request, response) => {
    if (request.url === '/hang') hanging++;
    else response.end('hello\n');
  });
});

afterEach(async () => {
  await edge?.stop();
  await instance.stop();
});

const get = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: web.test\r\n\r\n`;
const app = (fly?: string) => [{ name: 'web', instances: [{ id: 'aa01', port: instance.port }], ...(fly && { fly }) }];

const times = <T>(count: number, act: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => act(i)));

function open(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  return socket;
}

/** Of a process, now. */
const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;

const openNow = (page: Page, side: 'edge' | 'app'): number =>
  sum(page, `fly_${side}_tcp_connects_count`) - sum(page, `fly_${side}_tcp_disconnects_count`);

/** The page once no client is connected. */
const quiet = (of: Edge, connections = 0): Promise<Page> =>
  until(
    async () => {
      const page = await of.scrape();
      return openNow(page, 'edge') === 0 && sum(page, 'fly_edge_tcp_connects_count') >= connections && page;
    },
    'no client connected',
    20_000,
  );

test('2,000 connections that never finish their head stop nobody, and are cut in time', async () => {
  const slow = 2000;
  const fly = service({ more: 'http_options = { headers_read_timeout = 2 }' });
  edge = await Edge.start({ workers: 2, apps: app(fly) });
  const port = edge.port();
  let cut = 0;
  let answers = 0;
  const sockets = Array.from({ length: slow }, () => {
    const socket = open(port);
    socket.write('GET / HTTP/1.1\r\nHost: web.test\r\nX-Never: ');
    socket.setEncoding('latin1').on('data', (text: string) => {
      if (text.startsWith('HTTP/1.1 408 ')) answers++;
    });
    socket.on('close', () => cut++);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  // Each keeps dripping, which must not make it live longer.
  const drip = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x');
  }, 500);
  const others = new Ledger();
  let served = 0;
  try {
    await times(8, async () => {
      const client = new CountingClient(others, port);
      while (cut < slow) {
        await client.ask(get());
        if (++served > 100_000) break;
        await new Promise(setImmediate);
      }
      await client.end();
    });
  } finally {
    clearInterval(drip);
  }
  expect(cut).toBe(slow);
  expect(others.statuses).toEqual({ 200: others.responses });
  // Every one of the others went on; how often is the machine's speed.
  expect(others.responses).toBeGreaterThan(16);
  const page = await quiet(edge, slow + others.connections);
  expect(sum(page, 'fly_edge_http_responses_count', { status: '408' })).toBe(slow);
  expect(sum(page, 'fly_edge_error_count')).toBe(slow);
  expect(sum(page, 'fly_edge_error_count', { code: 'request_timeout' })).toBe(slow);
  expect(sum(page, 'fly_edge_tcp_disconnects_count')).toBe(slow + others.connections);
  expect(answers).toBe(slow);
});

test('descriptors that run out are survived', async () => {
  const limit = 128;
  edge = await Edge.start({ apps: app(), under: ['prlimit', `--nofile=${limit}`] });
  const port = edge.port();
  const [pid] = (await edge.pids()) as [number];
  const held = Array.from({ length: 2 * limit }, () => open(port));
  await Promise.all(held.map((socket) => once(socket, 'connect').catch(() => {})));
  // Who finds no descriptor is sent RST, and counted, each of them.
  const refused = () => held.filter((socket) => socket.closed).length;
  const counted = async (code: string) => sum(await edge!.scrape(), 'fly_edge_error_count', { code });
  await until(
    async () => refused() > 2 * limit - descriptors(pid) && (await counted('accept')) === refused(),
    'refusals',
  );
  const unaccepted = refused();
  expect(edge.log.some(({ code, detail }) => code === 'accept' && detail === 'EMFILE')).toBe(true);
  // Some are left for those that were accepted: one is served, and of all at once some get an answer that says why not.
  const accepted = held.filter((socket) => !socket.closed);
  accepted[0]!.write(get());
  const [served] = (await once(accepted[0]!.setEncoding('latin1'), 'data')) as [string];
  expect(served).toMatch(/^HTTP\/1\.1 200 /);
  const answers: string[] = [];
  for (const socket of accepted.slice(1)) {
    socket.setEncoding('latin1').on('data', (text: string) => answers.push(text));
    socket.write(get('/hang'));
  }
  await until(() => answers.length > 0, 'a request that found no descriptor');
  const [answer] = answers as [string];
  expect(answer).toMatch(/^HTTP\/1\.1 503 .*exhausted: /s);
  // Its descriptor is what is missing.
  expect(answer).toMatch(/\r\nConnection: close\r\n/);
  for (const socket of held) socket.destroy();
  await until(() => descriptors(pid) < limit / 2, 'descriptors came back');
  const ledger = new Ledger();
  await times(20, async () => {
    const client = new CountingClient(ledger, port);
    await client.ask(get());
    await client.end();
  });
  expect(ledger.statuses).toEqual({ 200: 20 });
  const page = await edge.scrape();
  const exhausted = sum(page, 'fly_edge_error_count', { code: 'exhausted' });
  expect(exhausted).toBeGreaterThan(0);
  expect(sum(page, 'fly_edge_error_count', { code: 'accept' })).toBe(unaccepted);
  expect(sum(page, 'fly_edge_error_count')).toBe(unaccepted + exhausted);
  expect(edge.log.filter(({ msg }) => msg === 'a worker died and is replaced')).toEqual([]);
  expect(await edge.pids()).toEqual([pid]);
});

test('nothing is left of 10,000 aborted requests', async () => {
  edge = await Edge.start({
    workers: 2,
    apps: app(),
    limits: { half_close_timeout: '"200ms"' },
    // V8 lets garbage lie as long as it has room: without room, what grows is a leak.
    under: ['env', 'NODE_OPTIONS=--max-semi-space-size=1 --max-old-space-size=40'],
  });
  const of = edge;
  const port = edge.port();
  const pids = await edge.pids();
  const abort = async () => {
    const socket = open(port);
    await once(socket, 'connect');
    socket.write(get('/hang'));
    return socket;
  };
  let aborted = 0;
  /** 5,000 requests that the instance has seen, and no client waits for. */
  const round = async () => {
    for (let i = 0; i < 25; i++) {
      const sockets = await times(200, abort);
      aborted += 200;
      await until(() => hanging === aborted, 'requests at the instance');
      for (const socket of sockets) i % 2 === 0 ? socket.destroy() : socket.resetAndDestroy();
    }
    await quiet(of, aborted);
    const page = await until(async () => {
      const now = await of.scrape();
      return openNow(now, 'app') === 0 && now;
    }, 'no connection to the instance');
    expect(sum(page, 'fly_app_concurrency')).toBe(0);
    expect(sum(page, 'fly_edge_tcp_connects_count')).toBe(aborted);
    expect(sum(page, 'fly_app_tcp_connects_count')).toBe(instance.opened);
    expect(sum(page, 'fly_edge_http_responses_count')).toBe(0);
    return { descriptors: pids.map(descriptors), resident: pids.map(resident) };
  };
  const before = pids.map(descriptors);
  const first = await round();
  const second = await round();
  expect(first.descriptors).toEqual(before);
  expect(second.descriptors).toEqual(before);
  // 2,500 connections a worker that leave 20 KiB each would be 50 MB.
  for (const [i, bytes] of second.resident.entries()) expect(bytes - first.resident[i]!).toBeLessThan(8 * 2 ** 20);
  expect(await edge.pids()).toEqual(pids);
  const ledger = new Ledger();
  const client = new CountingClient(ledger, port);
  await client.ask(get());
  await client.end();
  expect(ledger.statuses).toEqual({ 200: 1 });
});

describe('a worker that is killed', () => {
  test('is replaced, its connections are closed in the counts, and no counter falls', async () => {
    edge = await Edge.start({ workers: 2, apps: app(), limits: { half_close_timeout: '"200ms"' } });
    const of = edge;
    const port = edge.port();
    const before = await edge.pids();
    const held = await times(40, async () => {
      const client = new CountingClient(new Ledger(), port);
      await client.ask(get());
      client.socket.write(get('/hang'));
      return client;
    });
    await until(() => hanging === 40, 'requests in flight');
    const counted = await edge.scrape();
    expect(sum(counted, 'fly_edge_http_responses_count', { status: '200' })).toBe(40);
    expect([openNow(counted, 'edge'), sum(counted, 'fly_app_concurrency')]).toEqual([40, 40]);
    const { workers } = (await edge.status()).slots[0]!;
    const victim = workers.find(({ connections }) => connections > 0)!;

    process.kill(victim.pid, 'SIGKILL');
    await until(
      () => held.filter(({ socket }) => socket.closed).length === victim.connections,
      'its connections closed',
    );
    const survivors = 40 - victim.connections;
    const after = await until(async () => {
      const page = await of.scrape();
      return openNow(page, 'edge') === survivors && page;
    }, 'its connections booked as closed');
    expect(sum(after, 'fly_app_concurrency')).toBe(survivors);
    expect(openNow(after, 'app')).toBe(survivors);
    noneFell(counted, after);

    const pids = await until(async () => {
      const now = await of.status();
      return (
        now.slots[0]!.workers.every(({ state }) => state === 'accepting') && now.slots[0]!.workers.map(({ pid }) => pid)
      );
    }, 'it was replaced');
    expect(pids).toHaveLength(2);
    expect(pids).not.toContain(victim.pid);
    expect(pids.filter((pid) => before.includes(pid))).toHaveLength(1);
    const ledger = new Ledger();
    await times(40, async () => {
      const client = new CountingClient(ledger, port);
      await client.ask(get(), get());
      await client.end();
    });
    expect(ledger.statuses).toEqual({ 200: 80 });
    for (const { socket } of held) socket.destroy();
    const last = await quiet(of);
    noneFell(after, last);
    expect(sum(last, 'fly_edge_http_responses_count', { status: '200' })).toBe(120);
    expect(sum(last, 'fly_app_concurrency')).toBe(0);
  });

  test('takes no more than its last moments of counts along', async () => {
    edge = await Edge.start({ workers: 1, apps: app() });
    const of = edge;
    const ledger = new Ledger();
    const client = new CountingClient(ledger, edge.port());
    const served = () => of.scrape().then((page) => sum(page, 'fly_edge_http_responses_count', { status: '200' }));
    await client.ask(...Array.from({ length: 500 }, () => get()));
    await until(async () => (await served()) === 500, 'all counted');
    await client.ask(...Array.from({ length: 100 }, () => get()));
    const [pid] = (await edge.pids()) as [number];
    process.kill(pid, 'SIGKILL');
    await client.closed;
    const page = await quiet(edge);
    const left = sum(page, 'fly_edge_http_responses_count', { status: '200' });
    expect(left).toBeGreaterThanOrEqual(500);
    expect(left).toBeLessThanOrEqual(600);
    await until(
      async () => (await of.pids())[0] !== pid && (await of.status()).slots[0]!.workers[0]!.state === 'accepting',
    );
    const next = new CountingClient(ledger, edge.port());
    await next.ask(get());
    await next.end();
    expect(ledger.statuses).toEqual({ 200: 601 });
    await until(async () => (await served()) === left + 1, 'counted on from there');
  });
});

/** Counters, buckets and sums; gauges may. */
function noneFell(before: Page, after: Page): void {
  for (const [name, samples] of before) {
    if (name === 'fly_app_concurrency') continue;
    for (const { labels, value } of samples) {
      const now = sum(after, name, labels);
      if (now < value) throw new Error(`${name} ${JSON.stringify(labels)} fell from ${value} to ${now}`);
    }
  }
}
