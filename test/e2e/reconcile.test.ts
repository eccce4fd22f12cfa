/** All 17 series after a mixed run: what clients and instances counted is what the series say, each of them. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Relay } from '../../load/relay.ts';
import { bornStatuses, metrics } from '../../src/metrics/catalogue.ts';
import { issue, makeAuthority } from '../helpers/certificates.ts';
import { CountingClient, Ledger } from '../helpers/counting-client.ts';
import { Edge, service } from '../helpers/edge.ts';
import { type Page, select, sum } from '../helpers/exposition.ts';
import { HttpInstance, RawInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** Nothing listens there. */
const nowhere = 1;
const bigSize = 4 * 2 ** 20;

/** An HTTP instance that counts what it answered. */
class Instance {
  readonly id: string;
  readonly statuses: Record<string, number> = {};
  /** Bytes of request bodies. */
  bodies = 0;
  /** Connections that it broke off instead of answering. */
  dropped = 0;
  http!: HttpInstance;
  readonly #served = new WeakSet<Socket>();

  private constructor(id: string) {
    this.id = id;
  }

  static async start(id: string): Promise<Instance> {
    const instance = new Instance(id);
    instance.http = await HttpInstance.start((request, response) => instance.#serve(request, response));
    instance.http.server.on('upgrade', (_request, socket: Socket) => {
      instance.#count(101);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.pipe(socket);
      socket.on('error', () => socket.destroy());
    });
    return instance;
  }

  #count(status: number): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const path = request.url!;
    const send = (status: number, body: string | Buffer) => {
      this.#count(status);
      response.writeHead(status, status === 204 || status === 304 ? {} : { 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      this.bodies += chunk.length;
      chunks.push(chunk);
    });
    request.on('error', () => {});
    if (path === '/hang') return;
    request.on('end', () => {
      if (path.startsWith('/status/')) send(Number(path.slice(8)), 'as asked\n');
      else if (path === '/big') send(200, Buffer.alloc(bigSize, 'x'));
      else if (path === '/once' && this.#served.has(socket)) this.#drop(socket);
      else if (path === '/later') setTimeout(send, 3, 200, 'at last\n');
      else if (path === '/drop') this.#drop(socket);
      else if (path === '/garbage') socket.end('this is not HTTP\r\n\r\n');
      else if (path === '/cut') {
        this.#count(200);
        response.writeHead(200, { 'content-length': 1000 });
        response.write('x'.repeat(100), () => socket.destroy());
      } else if (path === '/chunked') {
        this.#count(200);
        response.write('one chunk');
        response.end(' and another');
      } else {
        this.#served.add(socket);
        send(200, chunks.length > 0 ? Buffer.concat(chunks) : 'hello\n');
      }
    });
  }

  #drop(socket: Socket): void {
    this.dropped++;
    socket.destroy();
  }
}

const ids = ['aa01', 'aa02', 'bb01', 'cc01', 'ee01', 'ff01', 'ab01', 'ac01', 'ad01', 'ae01', 'af01'] as const;
type Id = (typeof ids)[number];

let folder: string;
let edge: Edge;
let echo: RawInstance;
const instances = {} as Record<Id, Instance>;
const ledgers = new Map<string, Ledger>();
/** By app: of connections that were reset, the least and the most that may have passed. */
const rude = { sent: { least: 0, most: 0 }, received: { least: 0, most: 0 } };
const errors: Record<string, number> = {};
const handshakes: Record<string, number> = {};
const failedHandshakes: Record<string, number> = {};
let tlsRelays: Relay[] = [];

const ledger = (app: string): Ledger => {
  const found = ledgers.get(app) ?? new Ledger();
  ledgers.set(app, found);
  return found;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-reconcile-'));
  echo = await RawInstance.start((connection) => connection.socket.pipe(connection.socket));
  for (const id of ids) instances[id] = await Instance.start(id);
  const at = (...wanted: Id[]) => wanted.map((id) => ({ id, port: instances[id].http.port }));
  const https = (versions: string) =>
    service({ port: 443, handlers: ['tls', 'http'], more: `tls_options = { versions = ${versions} }` });
  edge = await Edge.start({
    workers: 2,
    ports: [80, 81, 443, 6000],
    certificates: [issue(folder, makeAuthority(folder), 'tls', ['secure.test', 'new.test'])],
    limits: { pool_idle_timeout: '"1s"', body_size: 2 ** 20, queue_timeout: '"30s"', log_rate: 0 },
    apps: [
      { name: 'web', instances: at('aa01', 'aa02') },
      { name: 'direct', fly: service({ type: 'connections' }), instances: at('bb01') },
      { name: 'flaky', instances: at('cc01') },
      { name: 'dead', instances: [{ id: 'dd01', port: nowhere }] },
      { name: 'half', instances: [...at('ee01'), { id: 'dd02', port: nowhere }] },
      { name: 'rude', instances: at('ff01') },
      { name: 'limited', fly: service({ soft: 1, hard: 1 }), instances: at('ab01') },
      { name: 'queued', fly: service({ soft: 1, hard: 2 }), instances: at('ac01') },
      {
        name: 'slow',
        fly: service({ port: 81, more: 'http_options = { headers_read_timeout = 1 }' }),
        instances: at('ad01'),
      },
      { name: 'secure', fly: https('["TLSv1.2", "TLSv1.3"]'), instances: at('ae01') },
      { name: 'new', fly: https('["TLSv1.3"]'), instances: at('af01') },
      {
        name: 'raw',
        fly: service({ port: 6000, handlers: [], type: 'connections' }),
        instances: [{ id: 'ba01', port: echo.port }],
      },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  for (const relay of tlsRelays) await relay.close();
  for (const instance of Object.values(instances)) await instance.http.stop();
  await echo?.stop();
  rmSync(folder, { recursive: true });
});

// ---- the clients ----

const get = (app: string, path = '/', more = '') => `GET ${path} HTTP/1.1\r\nHost: ${app}.test\r\n${more}\r\n`;
const post = (app: string, body: string) =>
  `POST / HTTP/1.1\r\nHost: ${app}.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const times = <T>(count: number, act: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => act(i)));

/** So many connections, each with the same batches of requests; a batch is pipelined. */
async function clients(app: string, connections: number, rounds: number, ...batch: string[]): Promise<void> {
  await times(connections, async () => {
    const client = new CountingClient(ledger(app), edge.port());
    for (let i = 0; i < rounds; i++) await client.ask(...batch);
    await client.end();
  });
}

/** A connection for each request, `parallel` at a time, that the edge closes. */
async function singles(app: string, requests: number, text: string, port = edge.port(), parallel = 10): Promise<void> {
  let left = requests;
  await times(parallel, async () => {
    while (left-- > 0) {
      const client = new CountingClient(ledger(app), port);
      await client.ask(text);
      await client.closed;
    }
  });
}

async function expectError(code: string, count: number, act: Promise<void>): Promise<void> {
  errors[code] = (errors[code] ?? 0) + count;
  await act;
}

async function web(): Promise<void> {
  await Promise.all([
    clients('web', 20, 400, get('web')),
    clients('web', 10, 150, get('web'), get('web', '/chunked'), get('web', '/status/404'), get('web')),
  ]);
  await Promise.all([
    clients('web', 8, 150, post('web', 'x'.repeat(10_000))),
    clients('web', 4, 30, get('web', '/status/204'), get('web', '/status/304'), get('web', '/status/500')),
    clients('web', 4, 50, get('web').replace('GET', 'HEAD'), get('web', '/status/599'), get('web', '/status/201')),
    singles('web', 600, get('web', '/', 'Connection: close\r\n')),
    clients('direct', 8, 200, get('direct')),
  ]);
}

async function websockets(): Promise<void> {
  await times(60, async (i) => {
    const client = new CountingClient(ledger('web'), edge.port());
    await client.ask(get('web', '/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
    for (let j = 0; j < 3; j++) await client.exchange('message '.repeat(1 + i * 10));
    await client.end();
  });
}

async function failures(): Promise<void> {
  await Promise.all([
    clients('half', 8, 50, get('half')),
    expectError('instance_connect', 200, clients('dead', 4, 50, get('dead'))),
    // Each request but a connection's first one finds that connection closed, and is sent again.
    clients('flaky', 4, 100, get('flaky', '/once'), get('flaky')),
    expectError('instance_closed', 50, singles('flaky', 50, get('flaky', '/drop', 'Connection: close\r\n'))),
    expectError('instance_bad_response', 30, singles('flaky', 30, get('flaky', '/garbage', 'Connection: close\r\n'))),
    expectError('instance_broke_off', 50, singles('flaky', 50, get('flaky', '/cut'))),
    expectError('unknown_host', 100, clients('', 4, 25, get('nobody'))),
    expectError('bad_request', 60, singles('', 60, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')),
    expectError('version_unsupported', 20, singles('', 20, 'GET / HTTP/2.0\r\nHost: web.test\r\n\r\n')),
    expectError('head_too_large', 20, singles('', 20, get('web', '/', `X: ${'y'.repeat(20_000)}\r\n`))),
    expectError(
      'content_too_large',
      20,
      singles('web', 20, 'POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 2000000\r\n\r\n'),
    ),
    expectError(
      'method_not_allowed',
      10,
      singles('web', 10, 'CONNECT web.test:80 HTTP/1.1\r\nHost: web.test:80\r\nConnection: close\r\n\r\n'),
    ),
    // Unnamed, since its head never ended.
    expectError('request_timeout', 20, singles('', 20, 'GET / HTTP/1.1\r\nHost: slow', edge.port(81), 20)),
    // Connections that say nothing.
    times(20, () => new CountingClient(ledger(''), edge.port()).end()),
  ]);
}

async function limits(): Promise<void> {
  const busiest = instances.ac01.http;
  await Promise.all([clients('limited', 1, 300, get('limited')), clients('queued', 20, 15, get('queued', '/later'))]);
  expect(busiest.mostInFlight).toBe(2);
}

async function raw(): Promise<void> {
  await times(60, async (i) => {
    const client = new CountingClient(ledger('raw'), edge.port(6000));
    await client.exchange('bytes '.repeat(1000 + i));
    await client.end();
  });
}

/** Bytes and connections are counted by relays, one for each app. */
async function tls(): Promise<void> {
  const [secure, other, strangers] = (tlsRelays = await times(3, () => Relay.open(edge.port(443)))) as [
    Relay,
    Relay,
    Relay,
  ];
  const handshake = (relay: Relay, servername: string, maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
    connectTls({ host: '127.0.0.1', port: relay.port, servername, maxVersion, rejectUnauthorized: false });
  await times(12, async (i) => {
    const version = i % 2 === 0 ? 'TLSv1.2' : 'TLSv1.3';
    const client = new CountingClient(ledger('secure'), handshake(secure, 'secure.test', version));
    for (let j = 0; j < 60; j++) await client.ask(get('secure'));
    await client.ask(get('web'), get('nobody'));
    await client.end();
    const key = `secure ${version}`;
    handshakes[key] = (handshakes[key] ?? 0) + 1;
  });
  errors.misdirected = 12;
  errors.unknown_host! += 12;
  const refused = async (relay: Relay, servername: string) => {
    const socket = handshake(relay, servername, 'TLSv1.2');
    const closed = once(socket, 'close').catch(() => {});
    socket.on('error', () => {});
    await closed;
  };
  await times(15, () => refused(other, 'new.test'));
  failedHandshakes['new new.test'] = 15;
  await times(25, (i) => refused(strangers, `stranger${i}.test`));
  failedHandshakes[' '] = 25;
  await until(() => tlsRelays.every((relay) => relay.opened === relay.closed), 'the relays closed');
  for (const [app, relay] of [
    ['secure', secure],
    ['new', other],
    ['', strangers],
  ] as const) {
    const of = ledger(app);
    of.connections += relay.closed;
    of.sent += relay.sent;
    of.received += relay.received;
  }
}

/** Clients that leave in the middle, with a reset: before an answer, within one, within their own body. */
async function aborts(): Promise<void> {
  const instance = instances.ff01;
  const leave = async (text: string, when: (socket: Socket) => Promise<unknown>) => {
    const socket = connect({ port: edge.port(), host: '127.0.0.1', noDelay: true });
    socket.on('error', () => {});
    const of = ledger('rude');
    socket.write(text, 'latin1');
    await when(socket);
    const closed = once(socket, 'close');
    socket.resetAndDestroy();
    await closed;
    of.connections++;
    rude.sent.most += socket.bytesWritten;
    rude.received.least += socket.bytesRead;
  };
  let seen = instance.http.requests;
  for (let i = 0; i < 15; i++) {
    await times(20, () =>
      leave(get('rude', '/hang'), () => until(() => instance.http.requests >= seen + 20, 'requests')),
    );
    seen += 20;
  }
  rude.sent.least += 300 * get('rude', '/hang').length;
  for (let i = 0; i < 10; i++) {
    await times(8, () => leave(get('rude', '/big'), (socket) => once(socket, 'data')));
  }
  rude.sent.least += 80 * get('rude', '/big').length;
  // Heads are a few hundred bytes.
  rude.received.most += 80 * (bigSize + 1000);
  ledger('rude').statuses[200] = 80;
  const half = `POST / HTTP/1.1\r\nHost: rude.test\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`;
  seen = instance.bodies;
  await times(40, () => leave(half, () => until(() => instance.bodies >= seen + 40 * 50_000, 'halves of bodies')));
  rude.sent.least += 40 * half.length;
}

// ---- the comparison ----

/** Sums of a series by labels, both colours together; zeros are left out. */
function by(page: Page, name: string, ...labels: string[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const sample of select(page, name)) {
    if (sample.value === 0) continue;
    const key = labels.map((label) => sample.labels[label]).join(' ');
    sums[key] = (sums[key] ?? 0) + sample.value;
  }
  return sums;
}

/** One number for each of the keys that a party counted. */
const flat = <T>(entries: Iterable<[string, T]>, value: (of: T) => number): Record<string, number> =>
  Object.fromEntries([...entries].map(([key, of]) => [key, value(of)] as const).filter(([, count]) => count !== 0));

/** By status as the label has it: 599 is the one here that nobody registered. */
const byStatus = (entries: Iterable<[string, Record<string, number>]>): Record<string, number> =>
  Object.fromEntries(
    [...entries].flatMap(([key, statuses]) =>
      Object.entries(statuses).map(([status, count]) => [`${key} ${status === '599' ? '5xx' : status}`, count]),
    ),
  );

function logLines(): Record<string, number> {
  const lines: Record<string, number> = {};
  for (const { msg, app, code } of edge.log) {
    if (msg === 'request failed') lines[`${app} ${code}`] = (lines[`${app} ${code}`] ?? 0) + 1;
  }
  return lines;
}

describe('after a mixed run', () => {
  let page: Page;
  let orderly: [string, Ledger][];
  const behind = () => Object.values(instances).map((instance) => [instance.id, instance] as [string, Instance]);

  beforeAll(async () => {
    await Promise.all([web(), websockets()]);
    await Promise.all([failures(), limits(), raw()]);
    await Promise.all([tls(), aborts()]);
    page = await until(
      async () => {
        const now = await edge.scrape();
        const open = (side: string) =>
          sum(now, `fly_${side}_tcp_connects_count`) - sum(now, `fly_${side}_tcp_disconnects_count`);
        return (
          open('edge') === 0 && open('app') === 0 && sum(now, 'fly_edge_tcp_connects_count') >= connections() && now
        );
      },
      'all connections closed on both sides',
      20_000,
    );
    orderly = [...ledgers].filter(([app]) => app !== 'rude');
  });

  const connections = () => [...ledgers.values()].reduce((all, { connections }) => all + connections, 0);

  test('of 20,000 requests and more', () => {
    expect([...ledgers.values()].reduce((all, { responses }) => all + responses, 0)).toBeGreaterThan(20_000);
  });

  test('clients and series agree on responses, and on how many times were taken', () => {
    const answered = byStatus([...ledgers].map(([app, { statuses }]) => [app, statuses]));
    // One connection's requests may be for several apps.
    expect(ledger('secure').statuses).toEqual({ 200: 720, 404: 12, 421: 12 });
    expect(by(page, 'fly_edge_http_responses_count', 'app', 'status')).toEqual(answered);
    expect(by(page, 'fly_edge_http_response_time_seconds_count', 'app', 'status')).toEqual(answered);
  });

  test('clients and series agree on connections', () => {
    const opened = flat(ledgers, ({ connections }) => connections);
    expect(by(page, 'fly_edge_tcp_connects_count', 'app')).toEqual(opened);
    expect(by(page, 'fly_edge_tcp_disconnects_count', 'app')).toEqual(opened);
  });

  test('clients and series agree on bytes, to the last one', () => {
    expect(tlsRelays.map(({ resets }) => resets)).toEqual([0, 0, 0]);
    const { rude: rudeIn, ...bytesIn } = by(page, 'fly_edge_data_in', 'app');
    const { rude: rudeOut, ...bytesOut } = by(page, 'fly_edge_data_out', 'app');
    expect(bytesIn).toEqual(flat(orderly, ({ sent }) => sent));
    expect(bytesOut).toEqual(flat(orderly, ({ received }) => received));
    expect(rudeIn).toBeGreaterThanOrEqual(rude.sent.least);
    expect(rudeIn).toBeLessThanOrEqual(rude.sent.most);
    expect(rudeOut).toBeGreaterThanOrEqual(rude.received.least);
    expect(rudeOut).toBeLessThanOrEqual(rude.received.most);
  });

  test('clients and series agree on TLS handshakes, finished and failed', () => {
    expect(by(page, 'fly_edge_tls_handshake_time_seconds_count', 'app', 'version')).toEqual(handshakes);
    expect(by(page, 'fly_edge_tls_handshake_errors', 'app', 'servername')).toEqual(failedHandshakes);
  });

  test('errors are those that were provoked, and each has its log line', () => {
    expect(by(page, 'fly_edge_error_count', 'code')).toEqual(errors);
    expect(by(page, 'fly_edge_error_count', 'app', 'code')).toEqual(logLines());
  });

  test('instances and series agree on responses, and on how many times were taken', () => {
    const answered = byStatus(behind().map(([id, { statuses }]) => [id, statuses]));
    expect(by(page, 'fly_app_http_responses_count', 'instance', 'status')).toEqual(answered);
    expect(by(page, 'fly_app_http_response_time_seconds_count', 'instance', 'status')).toEqual(answered);
    expect(instances.cc01.dropped).toBeGreaterThan(50);
  });

  test('instances and series agree on connections', () => {
    const opened = { ...flat(behind(), ({ http }) => http.opened), ba01: echo.connections.length };
    expect(by(page, 'fly_app_tcp_connects_count', 'instance')).toEqual(opened);
    expect(by(page, 'fly_app_connect_time_seconds_count', 'instance')).toEqual(opened);
    const closed = { ...flat(behind(), ({ http }) => http.closed), ba01: echo.connections.length - echo.open };
    expect(closed).toEqual(opened);
    expect(by(page, 'fly_app_tcp_disconnects_count', 'instance')).toEqual(opened);
  });

  test('nothing is in flight, and the gauge says so', () => {
    const gauges = select(page, 'fly_app_concurrency');
    expect(gauges.map(({ value }) => value)).toEqual(gauges.map(() => 0));
    expect(new Set(gauges.map(({ labels }) => labels.instance))).toEqual(new Set([...ids, 'ba01', 'dd01', 'dd02']));
  });

  test('limits were reached as often as a request found the instance below them', () => {
    for (const limit of ['soft', 'hard']) {
      const { queued, ...others } = by(page, `fly_app_${limit}_limit_reached_count`, 'app');
      // One client after the other: each of its requests is the first in flight.
      expect(others).toEqual({ limited: 300 });
      expect(queued).toBeGreaterThan(0);
    }
  });

  test('histograms are whole: buckets rise to their count', () => {
    for (const { name } of metrics.filter(({ type }) => type === 'histogram')) {
      const counts = select(page, `${name}_count`);
      expect(counts.length).toBeGreaterThan(0);
      for (const { labels, value } of counts) {
        const buckets = select(page, `${name}_bucket`, labels).map((bucket) => bucket.value);
        expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
        expect(buckets.at(-1)).toBe(value);
        const [seconds] = select(page, `${name}_sum`, labels);
        if (value > 0) expect(seconds!.value).toBeGreaterThan(0);
      }
    }
  });

  test('all series are there, in both colours, and nothing else', () => {
    const names = [...page.keys()].map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    const expected = [...metrics.map(({ name }) => name.replace(/_count$/, '')), 'fly_supervisor_build_info'];
    expect(new Set(names)).toEqual(new Set(expected));
    for (const status of bornStatuses.edge) {
      const samples = select(page, 'fly_edge_http_responses_count', { app: 'dead', status: String(status) });
      expect(samples.map(({ labels }) => labels.proxy_id)).toEqual(['blue', 'green']);
    }
  });
});
