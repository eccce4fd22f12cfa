/** A real storage tier scrapes the edge: what its queries say must be what the clients counted. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { Edge } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const program = '/usr/bin/victoria-metrics';
const missing = !existsSync(program);
if (missing) console.warn(`no storage tier is tested: ${program} is not installed`);

describe.skipIf(missing)('victoria-metrics', () => {
  let folder: string;
  let instance: HttpInstance;
  let edge: Edge;
  let storage: ReturnType<typeof start>;
  let api: string;
  /** What the clients counted since the edge began. */
  const clients = { ok: 0, failed: 0, unknown: 0, connections: 0, sent: 0, received: 0 };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-vm-'));
    instance = await HttpInstance.start((request, response) => {
      response.statusCode = request.url === '/fails' ? 500 : 200;
      response.end('hello\n');
    });
    edge = await Edge.start({ workers: 2, apps: [{ name: 'web', instances: [{ id: 'aa01', port: instance.port }] }] });
    const [port] = await freePorts(1);
    api = `http://127.0.0.1:${port}`;
    const config = join(folder, 'scrape.yml');
    const target = new URL(edge.metricsUrl).host;
    writeFileSync(
      config,
      `global: { scrape_interval: 1s }
scrape_configs: [{ job_name: edge, static_configs: [{ targets: ["${target}"] }] }]
`,
    );
    storage = start(program, [
      `-httpListenAddr=127.0.0.1:${port}`,
      `-storageDataPath=${join(folder, 'data')}`,
      `-promscrape.config=${config}`,
      '-search.latencyOffset=1ms',
      '-search.disableCache',
      '-memory.allowedBytes=64MB',
    ]);
    await ready(storage, 'victoria-metrics', async () => (await fetch(`${api}/health`)).ok);
    // Its first scrape sees the counters that are born at 0.
    await until(async () => (await value('count(fly_edge_tcp_connects_count)')) > 0, 'the first scrape', 20_000);
  });

  afterAll(async () => {
    if (storage) await stop(storage);
    await edge?.stop();
    await instance?.stop();
    rmSync(folder, { recursive: true });
  });

  /** An instant query's only value; 0 when it has none. */
  async function value(query: string): Promise<number> {
    const response = await fetch(`${api}/api/v1/query?${new URLSearchParams({ query, nocache: '1' })}`);
    const body = (await response.json()) as {
      status: string;
      error?: string;
      data: { result: { value: [number, string] }[] };
    };
    if (body.status !== 'success') throw new Error(`${query}: ${body.error}`);
    return Number(body.data.result[0]?.value[1] ?? 0);
  }

  /** What `sum(increase(…))` says of everything that the clients count. */
  async function stored(): Promise<typeof clients> {
    const increase = (series: string) => value(`sum(increase(${series}[10m]))`);
    const [ok, failed, unknown, connections, sent, received] = await Promise.all([
      increase('fly_edge_http_responses_count{app="web",status="200"}'),
      increase('fly_edge_http_responses_count{app="web",status="500"}'),
      increase('fly_edge_error_count{code="unknown_host"}'),
      increase('fly_edge_tcp_disconnects_count'),
      increase('fly_edge_data_in'),
      increase('fly_edge_data_out'),
    ]);
    return { ok: ok!, failed: failed!, unknown: unknown!, connections: connections!, sent: sent!, received: received! };
  }

  /** `connections` clients, each with as many requests of each kind; adds to what the clients counted. */
  async function burst(connections: number, each: { ok: number; failed: number; unknown: number }): Promise<void> {
    const requests = [
      ...Array(each.ok).fill('GET / HTTP/1.1\r\nHost: web.test\r\n\r\n'),
      ...Array(each.failed).fill('GET /fails HTTP/1.1\r\nHost: web.test\r\n\r\n'),
      ...Array(each.unknown).fill('GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n'),
    ];
    await Promise.all(Array.from({ length: connections }, () => client(requests)));
  }

  function client(requests: string[]): Promise<void> {
    const socket = connect({ port: edge.port(), host: '127.0.0.1' });
    let answers = '';
    clients.connections++;
    socket.setEncoding('latin1').on('data', (text: string) => {
      answers += text;
    });
    // Pipelined; the FIN after the last one lets the edge answer all of them.
    socket.end(requests.join(''));
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => {
        for (const [, status] of answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
          if (status === '200') clients.ok++;
          else if (status === '500') clients.failed++;
          else if (status === '404') clients.unknown++;
        }
        clients.sent += socket.bytesWritten;
        clients.received += socket.bytesRead;
        resolve();
      });
    });
  }

  async function agrees(): Promise<void> {
    let last: typeof clients | null = null;
    await until(
      async () => {
        // Not of one moment: a scrape may come in between two of the queries.
        last = await stored();
        return isDeepStrictEqual(last, clients);
      },
      'the last scrape is in',
      20_000,
    ).catch(() => {});
    expect(last).toEqual(clients);
  }

  test('a burst between two scrapes is seen whole', async () => {
    await burst(4, { ok: 5, failed: 2, unknown: 3 });
    expect(clients).toMatchObject({ ok: 20, failed: 8, unknown: 12, connections: 4 });
    await agrees();
  });

  test('so are many, with pauses and without', async () => {
    for (let i = 0; i < 5; i++) await burst(10, { ok: 20, failed: 3, unknown: 2 });
    await agrees();
    await Promise.all(Array.from({ length: 4 }, () => burst(20, { ok: 25, failed: 0, unknown: 1 })));
    await burst(1, { ok: 1, failed: 0, unknown: 0 });
    await agrees();
    expect(clients.ok).toBe(20 + 1000 + 2000 + 1);
    // The instance's own count is that of the edge.
    expect(await value('sum(increase(fly_app_http_responses_count[10m]))')).toBe(instance.requests);
  });
});
