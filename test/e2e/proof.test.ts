/**
 * The whole system, all of it real: two organizations, three apps, an agent beside each instance, Postgres with its
 * exporter, storage, gateway and tokens, and two flips in the middle of the traffic. Taps between the scraper and its targets keep
 * every page that passes: what the storage has must be what was on them, for every series there is.
 */

import { type ChildProcess, execFile } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Agent, request, WebSocket } from 'undici';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { postgresSeries } from '../../src/metrics/catalogue-postgres.ts';
import { allSeries } from '../../src/metrics/series.ts';
import { chromiumInstalled, expectClean, type Visit, visit } from '../helpers/browser.ts';
import { Edge, edgeProgram, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { missingPostgres, Postgres, psql } from '../helpers/postgres.ts';
import { missingExporter, PostgresExporter, roleFile } from '../helpers/postgres-exporter.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { seriesKey, Tap } from '../helpers/tap.ts';
import { until } from '../helpers/until.ts';
import { FakeLvs } from '../volumes/fake-lvs.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

/** What the real lvs said of real thin volumes (test/volumes/lvm.test.ts): vg0/lv1 is 200 MiB, and an eighth is written. */
const report = fileURLToPath(new URL('../volumes/recorded/lvm2-2.03.16.json', import.meta.url));
const appProgram = fileURLToPath(new URL('./fixtures/app.ts', import.meta.url));

/** Labels that a target gets from service discovery. */
const added = ['org', 'app', 'region', 'host', 'instance', 'job'];

/** What this machine cannot give, and whether that is so. */
const impossible: Record<string, boolean> = {
  fly_instance_cpu_baseline: !existsSync('/sys/fs/cgroup/cgroup.controllers'),
  fly_instance_cpu_throttle: !existsSync('/sys/fs/cgroup/cgroup.controllers'),
};

const missing = missingPostgres() ?? missingExporter();
if (missing !== null) console.warn(`the whole system is not tested: ${missing}`);

describe.skipIf(missing !== null || !installed('victoriaMetrics'))('the whole system', () => {
  const closers: (() => unknown)[] = [];
  let edge: Edge;
  let gateway: string;
  const tokens = {} as Record<'alpha' | 'beta', string>;
  /** By instance. */
  const agents = new Map<string, Tap>();
  const exporters = new Map<string, Tap>();
  let edgeTap: Tap;
  /** What clients saw: responses by app and status. */
  const seen: Record<string, Record<string, number>> = { shop: {}, chat: {} };
  /** Of the database. */
  const sessions = 3;

  /** Ended with the test. */
  function run(args: string[], name: string, check: () => Promise<boolean>): Promise<ChildProcess> {
    const child = start(process.execPath, [edgeProgram, ...args]);
    closers.push(() => stop(child, 20_000));
    return ready(child, name, check, 30_000).then(() => child);
  }

  async function tapped(target: string): Promise<Tap> {
    const tap = await Tap.start(target);
    closers.push(() => tap.stop());
    return tap;
  }

  /** An agent, with an app that it runs; reached through a tap. */
  async function agent(instance: string, port: number, command: string[] = [], flags: string[] = []): Promise<string> {
    const address = `127.0.0.1:${port}`;
    const healthy = async () => (await fetch(`http://${address}/healthz`)).ok;
    await run(
      ['agent', '--listen', address, ...flags, ...(command.length > 0 ? ['--', ...command] : [])],
      instance,
      healthy,
    );
    const tap = await tapped(address);
    agents.set(instance, tap);
    return tap.address;
  }

  const app = (host: string, port: number, metrics: number): string[] => [
    process.execPath,
    ...[appProgram, host, String(port), String(metrics)],
  ];

  interface Sampled {
    metric: Record<string, string>;
    values: [number, string][];
  }

  /** @param time seconds since 1970, now without it. */
  async function ask<T>(org: 'alpha' | 'beta', query: string, time = Date.now() / 1000): Promise<T[]> {
    const response = await fetch(`${gateway}/prometheus/${org}/api/v1/query`, {
      method: 'POST',
      headers: { authorization: tokens[org] },
      body: new URLSearchParams({ query, time: String(time), nocache: '1' }),
    });
    const body = (await response.json()) as { data: { result: T[] }; error?: string };
    if (!response.ok) throw new Error(`${query}: ${body.error}`);
    return body.data.result;
  }

  const value = async (org: 'alpha' | 'beta', query: string): Promise<number> =>
    Number((await ask<{ value: [number, string] }>(org, query))[0]?.value[1] ?? Number.NaN);

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-proof-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const ports = await freePorts(12);
    const port = () => ports.pop()!;

    const primary = await Postgres.start(port());
    closers.push(() => primary.stop());
    primary.query(readFileSync(roleFile, 'utf8'));
    // A time of the last reset is there only after one.
    primary.query('select pg_stat_reset()');
    const replica = await primary.replica(port());
    closers.push(() => replica.stop());
    for (const [instance, { port }] of Object.entries({ bb01: primary, bb02: replica })) {
      const exporter = await PostgresExporter.start(port);
      closers.push(() => exporter.stop());
      exporters.set(instance, await tapped(exporter.address));
    }
    const lvs = new FakeLvs(`cat ${report}`);
    closers.push(() => lvs.remove());
    const appPort = port();
    const custom = port();
    const chatPort = port();
    const shop1 = await agent('aa01', port(), app('127.0.0.1', appPort, custom));
    const shop2 = await agent('aa02', port(), app('127.0.0.2', appPort, custom));
    const db = await agent('bb01', port(), ['/bin/sh', '-c', 'exit 3'], ['--linger', '10m']);
    const chat = await agent('cc01', port(), app('127.0.0.1', chatPort, port()));

    const [listen, own] = [port(), port()];
    // It begins without targets: the edge's configuration has its address.
    const scraping = join(folder, 'scrape.yml');
    writeFileSync(scraping, 'scrape_configs: []\n');
    const storage = await Storage.victoriaMetrics(
      folder,
      `-promscrape.config=${scraping}`,
      '-promscrape.configCheckInterval=1s',
    );
    closers.push(() => storage.stop());
    const fly = (text: string, internal: number) => text.replace('internal_port = 8080', `internal_port = ${internal}`);
    edge = await Edge.start({
      organizations: { alpha: 1, beta: 2 },
      operator: 'alpha',
      workers: 2,
      // Websockets live on over both flips, however slow the machine is.
      drainTimeout: '60s',
      websocketDrainTimeout: '5m',
      under: ['env', `PATH=${lvs.searchPath}`],
      ports: [80, 443, 5432],
      apps: [
        {
          name: 'shop',
          org: 'alpha',
          fly: `${fly(service({ soft: 2, hard: 50 }), appPort)}
[[services.ports]]
port = 443
handlers = ["http", "tls"]
tls_options = { default_self_signed = true }
[metrics]
port = ${custom}
`,
          instances: [
            { id: 'aa01', agent: shop1 },
            { id: 'aa02', host: '127.0.0.2', agent: shop2 },
          ],
        },
        {
          name: 'db',
          org: 'alpha',
          fly: fly(service({ port: 5432, handlers: [], type: 'connections' }), primary.port),
          instances: [
            { id: 'bb01', agent: db, exporters: [exporters.get('bb01')!.address] },
            { id: 'bb02', port: replica.port, exporters: [exporters.get('bb02')!.address] },
          ],
        },
        {
          name: 'chat',
          org: 'beta',
          hostnames: ['chat.test', '127.0.0.1'],
          fly: fly(service(), chatPort),
          instances: [{ id: 'cc01', agent: chat }],
        },
      ],
      more: `[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${own}"
storage = "${storage.url}"
keys = "${join(folder, 'tokens.key')}"
[[volumes]]
id = "vol_db"
app = "db"
lv = "vg0/lv1"
`,
    });
    closers.push(() => edge.stop());
    edgeTap = await tapped(new URL(edge.metricsUrl).host);

    const cli = async (...args: string[]) =>
      (await promisify(execFile)(process.execPath, [edgeProgram, ...args, '--config', edge.file])).stdout;
    writeFileSync(scraping, await cli('scrape-config', '--edge', edgeTap.address, '--interval', '1s'));
    for (const org of ['alpha', 'beta'] as const)
      tokens[org] = (await cli('tokens', 'create', 'readonly', '-o', org)).trim();
    gateway = `http://127.0.0.1:${listen}`;
    await run(
      ['gateway', '--config', edge.file],
      'the gateway',
      async () => (await fetch(`http://127.0.0.1:${own}/healthz`)).ok,
    );
    await until(async () => (await ask('alpha', 'fly_edge_data_in{app="db"}')).length > 0, 'the first scrape', 30_000);
    await traffic();
    await edge.drained();
    await settled();
  });

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** Requests, sessions and websockets, with two flips in between; all are closed at the end. */
  async function traffic(): Promise<void> {
    const tls = { servername: 'shop.test', rejectUnauthorized: false };
    const dispatcher = new Agent({ connections: 4, connect: tls });
    const statuses = [200, 200, 200, 404, 500, 201];
    let done = 0;
    const requests = async (origin: string, count: number) => {
      for (let i = 0; i < count; i++) {
        const status = statuses[i % statuses.length]!;
        const headers = { host: 'shop.test' };
        const { statusCode, body } = await request(`${origin}/${status}`, { dispatcher, headers });
        await body.dump();
        saw('shop', statusCode);
        done++;
      }
    };
    // Handshakes now and then: a histogram that comes up has no rate before its second step.
    const handshake = async () => {
      const once = new Agent({ connect: tls });
      const headers = { host: 'shop.test' };
      const url = `https://127.0.0.1:${edge.port(443)}/200`;
      const { statusCode, body } = await request(url, { dispatcher: once, headers });
      await body.dump();
      saw('shop', statusCode);
      await once.close();
    };
    const query = (sql: string) => {
      const args = ['-h', '127.0.0.1', '-p', String(edge.port(5432)), '-U', 'postgres', '-Atc', sql];
      return promisify(execFile)(psql, args);
    };
    const chats = await Promise.all(Array.from({ length: 3 }, () => chat()));
    const load = Promise.all([
      ...Array.from({ length: 4 }, () => requests(`http://127.0.0.1:${edge.port()}`, 300)),
      ...Array.from({ length: 2 }, () => requests(`https://127.0.0.1:${edge.port(443)}`, 150)),
    ]);
    for (const share of [1 / 3, 2 / 3]) {
      await query('select 1');
      await until(() => done > 1500 * share, 'the load goes on', 60_000);
      await edge.restart();
      await handshake();
      for (const talk of chats) await talk('hello');
    }
    await load;
    const handshakes = 'sum(fly_edge_tls_handshake_time_seconds_count)';
    await until(async () => (await value('alpha', handshakes)) > 0, 'handshakes in the storage', 20_000);
    await handshake();
    await query('select count(*) from generate_series(1, 1000)');
    for (const talk of chats) await talk(null);
    await dispatcher.close();
    const nonsense = net.connect(edge.port(443), '127.0.0.1').end('no TLS\r\n');
    nonsense.resume();
    await once(nonsense, 'close');
    const unknown = await request(`http://127.0.0.1:${edge.port()}/200`, { headers: { host: 'nobody.test' } });
    await unknown.body.dump();
    expect(unknown.statusCode).toBe(404);
  }

  function saw(app: string, status: number): void {
    seen[app]![status] = (seen[app]![status] ?? 0) + 1;
  }

  /** A websocket: says a word and waits for its echo; null closes it. */
  async function chat(): Promise<(word: string | null) => Promise<void>> {
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port()}/`);
    await once(socket as unknown as EventEmitter, 'open');
    saw('chat', 101);
    return async (word) => {
      const said = once(socket as unknown as EventEmitter, word === null ? 'close' : 'message');
      if (word === null) socket.close();
      else socket.send(word);
      await said;
    };
  }

  /** Waits until the storage has what the edge's page has, and nothing moves any more. */
  async function settled(): Promise<void> {
    const closed = async () => {
      const page = await edge.scrape();
      const connects = sum(page, 'fly_edge_tcp_connects_count');
      return connects === sum(page, 'fly_edge_tcp_disconnects_count') && connects;
    };
    const all = await until(closed, 'all connections closed', 20_000);
    const in_ = async (org: 'alpha' | 'beta') => value(org, 'sum(fly_edge_tcp_disconnects_count)');
    await until(async () => (await in_('alpha')) + (await in_('beta')) === all, 'the last scrape of the edge', 20_000);
    // The instances are scraped at moments of their own.
    const answers = Object.values(seen.shop!).reduce((total, count) => total + count);
    const told = async () => (await value('alpha', 'sum(app_answers_total)')) === answers;
    await until(told, 'the last scrape of the instances', 20_000);
  }

  /** The samples of a selector as the storage has them, by `seriesKey` without the labels that discovery added. */
  async function stored(org: 'alpha' | 'beta', selector: string, without: string[]): Promise<Map<string, number[]>> {
    const found = await ask<Sampled>(org, `${selector}[10m]`);
    return new Map(
      found.map(({ metric: { __name__, ...labels }, values }) => [
        seriesKey(__name__!, Object.fromEntries(Object.entries(labels).filter(([name]) => !without.includes(name)))),
        // A series that has ended is marked so, by a NaN.
        values.map(([, text]) => Number(text)).filter((value) => !Number.isNaN(value)),
      ]),
    );
  }

  /** Storage keeps 15 to 17 digits of a sum of seconds. */
  const same = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.abs(b);

  /**
   * That each sample was on the page, and each series of the page is there.
   * @param names a regular expression. @param where further matchers. @param without labels that the page does not have.
   * @returns how many series there are.
   */
  async function compare(
    org: 'alpha' | 'beta',
    names: string,
    where: string,
    without: string[],
    page: ReadonlyMap<string, readonly number[]>,
  ): Promise<number> {
    const wanted = new RegExp(`^(${names})\\[`);
    // One page alone may have been too late for the engine, which waits a second for it.
    const expected = [...page]
      .filter(([key, values]) => wanted.test(key) && values.filter((each) => !Number.isNaN(each)).length > 1)
      .map(([key]) => key);
    let have = new Map<string, number[]>();
    let absent: string[] = [];
    // What came up a moment ago is not in the engine's index yet.
    const deadline = performance.now() + 20_000;
    do {
      have = await stored(org, `{__name__=~"${names}"${where}}`, without);
      absent = expected.filter((key) => !have.has(key));
    } while (absent.length > 0 && performance.now() < deadline);
    expect(absent).toEqual([]);
    const strange = [...have].flatMap(([key, values]) => {
      const passed = page.get(key) ?? [];
      return values.filter((each) => !passed.some((other) => same(each, other))).map((each) => `${key} ${each}`);
    });
    expect(strange).toEqual([]);
    return have.size;
  }

  test.each(['alpha', 'beta'] as const)('what %s reads of the edge is what its page said', async (org) => {
    const page = edgeTap.passed(`/metrics?org=${org}&part=0`);
    expect(await compare(org, 'fly_(edge|app|slot|volume)_.*', '', ['org'], page)).toBeGreaterThan(100);
  });

  test.each([
    ['alpha', 'aa01'],
    ['alpha', 'aa02'],
    ['alpha', 'bb01'],
    ['beta', 'cc01'],
  ] as const)("what %s reads of %s is what the instance's agent said", async (org, instance) => {
    const page = agents.get(instance)!.passed('/metrics');
    expect(await compare(org, 'fly_instance_.*', `,instance="${instance}"`, added, page)).toBeGreaterThan(60);
  });

  test.each(['bb01', 'bb02'])('what is read of Postgres %s is what its exporter said', async (instance) => {
    const page = exporters.get(instance)!.passed('/metrics');
    const names = postgresSeries.map(({ name }) => name).join('|');
    expect(await compare('alpha', names, `,instance="${instance}"`, added, page)).toBeGreaterThan(60);
  });

  test('clients, instances and series agree on every response', async () => {
    for (const [org, app] of [
      ['alpha', 'shop'],
      ['beta', 'chat'],
    ] as const) {
      for (const [status, count] of Object.entries(seen[app]!)) {
        const counted = (name: string) => value(org, `sum(${name}{app="${app}",status="${status}"})`);
        expect([status, await counted('fly_edge_http_responses_count')]).toEqual([status, count]);
        expect([status, await counted('fly_edge_http_response_time_seconds_count')]).toEqual([status, count]);
        expect([status, await counted('fly_app_http_responses_count')]).toEqual([status, count]);
        if (app === 'shop')
          expect([status, await value(org, `sum(app_answers_total{status="${status}"})`)]).toEqual([status, count]);
      }
    }
    // Born at 0: what happened between two scrapes is an increase, too.
    const ok = 'fly_edge_http_responses_count{app="shop",status="200"}';
    expect(await value('alpha', `sum(increase(${ok}[1h]))`)).toBe(seen.shop![200]);
    expect(await value('alpha', 'sum(increase(fly_edge_tcp_connects_count{app="db"}[1h]))')).toBe(sessions);
    expect(await value('alpha', 'sum(increase(fly_slot_flips_count{result="served"}[1h]))')).toBe(2);
    expect(await value('alpha', 'max(fly_slot_generation)')).toBe(3);
    expect(await value('alpha', 'sum(increase(fly_edge_http_responses_count{app="",status="404"}[1h]))')).toBe(1);
    expect(await value('alpha', 'sum(increase(fly_edge_tls_handshake_errors[1h]))')).toBe(1);
    expect(await value('alpha', 'fly_volume_size_bytes{app="db",id="vol_db"}')).toBe(200 * 1024 * 1024);
    expect(await value('alpha', 'fly_volume_used_pct{app="db",id="vol_db"}')).toBe(12.5);
    expect(await value('alpha', 'last_over_time(fly_instance_exit_code{instance="bb01"}[10m])')).toBe(3);
  });

  test('each organization reads its own series alone', async () => {
    const whose = async (org: 'alpha' | 'beta') =>
      (await ask<{ metric: Record<string, string> }>(org, 'count by (org, app) ({__name__!=""})'))
        .map(({ metric }) => `${metric.org} ${metric.app ?? '-'}`)
        .sort();
    expect(await whose('alpha')).toEqual(['alpha -', 'alpha db', 'alpha shop']);
    expect(await whose('beta')).toEqual(['beta -', 'beta chat']);
  });

  async function opened(org: 'alpha' | 'beta'): Promise<Visit> {
    const seen = await visit(`${gateway}/`);
    await seen.page.getByLabel('Organization').fill(org);
    await seen.page.getByLabel('Token').fill(tokens[org]);
    await seen.page.getByRole('button', { name: 'Show' }).click();
    await seen.page.waitForSelector('body[data-state=current]');
    return seen;
  }

  /** Panels with the reason why they have nothing to show. */
  const notes = ({ page }: Visit): Promise<Record<string, string>> =>
    page.evaluate(`Object.fromEntries([...document.querySelectorAll('.panel')]
      .map((panel) => [panel.id.slice('panel-'.length), panel.querySelector('.note')])
      .filter(([, note]) => !note.hidden).map(([id, note]) => [id, note.textContent]))`);

  test.skipIf(!chromiumInstalled())('the page shows all of it to whom it belongs', async () => {
    const seen = await opened('alpha');
    const filled = async () => Object.keys(await notes(seen)).length === 0;
    await until(filled, 'every panel to have something', 20_000).catch(() => {});
    expect(await notes(seen)).toEqual({});
    const slots = async (colour: 'blue' | 'green') =>
      (await seen.values('slot-states')).text[colour]!.slice(0, 2).join(' ');
    await until(async () => (await slots('blue')) === 'accepting 3', 'the slot that serves', 30_000);
    await edge.restart();
    await until(async () => (await slots('green')) === 'accepting 4', 'a third flip', 30_000);
    await until(async () => (await slots('blue')).startsWith('not there'), 'the end of its drain', 30_000);
    for (const panel of ['memory', 'cpu', 'net', 'volume-used', 'volume-size', 'pg-connections', 'pg-size']) {
      // It asks anew every few seconds.
      await until(
        async () => {
          const { time, rows } = await seen.values(panel);
          const query = (await seen.page.locator(`#values-${panel} code`).textContent())!;
          const found = await ask<{ metric: Record<string, string>; value: [number, string] }>('alpha', query, time);
          const same = found.filter(({ metric, value }) => {
            const [shown] = rows[metric.instance ?? metric.id ?? metric.state ?? metric.datname ?? '(none)'] ?? [];
            return shown != null && Math.abs(shown - Number(value[1])) <= 1e-9 * Math.abs(shown);
          });
          return found.length > 0 && same.length === found.length;
        },
        `${panel} as the API says`,
        30_000,
      );
    }
    await until(async () => (await seen.headlines()).values.open === 0, 'no client', 30_000);
    await expectClean(seen);

    const other = await opened('beta');
    const memory = async () => Object.keys((await other.values('memory')).rows);
    await until(async () => (await memory()).join() === 'cc01', "beta's instance alone", 30_000);
    expect(await other.page.content()).not.toMatch(/shop|aa01|bb01|vol_db/);
    await expectClean(other);
  });

  test('every series of the catalogue is there, or named with the reason', async () => {
    const names = new Set<string>();
    for (const org of ['alpha', 'beta'] as const)
      for (const { metric } of await ask<{ metric: { name: string } }>(
        org,
        'label_replace(count by (__name__) (last_over_time({__name__!=""}[10m])), "name", "$1", "__name__", "(.*)")',
      ))
        names.add(metric.name);
    const absent = allSeries
      .filter(({ name, type }) => !names.has(type === 'histogram' ? `${name}_bucket` : name))
      .map(({ name }) => name);
    expect(absent.sort()).toEqual(
      Object.entries(impossible)
        .filter(([, here]) => here)
        .map(([name]) => name)
        .sort(),
    );
  });
});
