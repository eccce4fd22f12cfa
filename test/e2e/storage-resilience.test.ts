/** The storage engine dies, hangs on, comes back: what the gateway's clients see of it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import type { QuarantineOptions } from '../../src/gateway/quarantine.ts';
import type { RunningGateway } from '../../src/gateway/start.ts';
import { startChain } from '../helpers/chain.ts';
import { parseExposition, sum } from '../helpers/exposition.ts';
import { engineEnvironment, startLoneGateway } from '../helpers/lone-gateway.ts';
import { mutate } from '../helpers/mutate.ts';
import { memoryOf, resetPeak } from '../helpers/processes.ts';
import { seeded } from '../helpers/random.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { engineHeaders } from '../helpers/tier.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });

/** They end victoria-metrics 1.79.5. */
const killers = ['{}[5M:]', 'a + (on)', 'a + on(x) (group_left)', 'without + (ignoring{x="y"})'];
const unlimited: QuarantineOptions = { strikes: Number.POSITIVE_INFINITY, period: 1 };

/** Ten series for each organization, whose sum is 10 and 20. */
const page = ['alpha', 'beta']
  .flatMap((org, i) => Array.from({ length: 10 }, (_, n) => `stock{org="${org}",n="${n}"} ${i + 1}\n`))
  .join('');

describe.skipIf(!installed('victoriaMetrics'))('the engine', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  interface Gateway {
    running: RunningGateway;
    storage: string;
    /** Of an instant query: its status, and its value when it has one. */
    ask: (org: 'alpha' | 'beta', query: string) => Promise<{ status: number; value: string | undefined; body: string }>;
    pid: () => number | undefined;
    /** The value of one of its own series, in all. */
    count: (series: string) => Promise<number>;
  }

  /** @param own whether the gateway starts the engine. */
  async function start(own: boolean, storage: string, quarantine?: QuarantineOptions): Promise<Gateway> {
    const organizations = ['alpha', 'beta'];
    const lone = await startLoneGateway({ storage, organizations, engine: own, quarantine });
    closers.push(() => lone.stop());
    const { running, token } = lone;
    const gateway: Gateway = {
      running,
      storage,
      pid: () => running.enginePid,
      async count(series) {
        return sum(parseExposition(await (await fetch(`${lone.own}/metrics`)).text()), series);
      },
      async ask(org, query) {
        const response = await fetch(`${lone.url}/prometheus/${org}/api/v1/query`, {
          method: 'POST',
          headers: { authorization: token },
          body: new URLSearchParams({ query }),
        });
        const body = await response.text();
        const result = response.ok ? JSON.parse(body).data.result : [];
        return { status: response.status, value: result[0]?.value?.[1], body };
      },
    };
    if (own) await fill(gateway, () => ended(gateway));
    return gateway;
  }

  /** It writes what it has when it is told to end; the next one is another process. */
  async function ended({ pid }: Gateway): Promise<void> {
    const before = pid()!;
    process.kill(before, 'SIGTERM');
    await until(() => pid() !== before, 'another process', 20_000);
  }

  /** Series that are on the disk: what was only in memory would be gone with the process. */
  async function fill({ running, storage, ask }: Gateway, restart: () => Promise<void>): Promise<void> {
    const { httpAuth_username: user, httpAuth_password: password } = engineEnvironment(running);
    const headers = { authorization: `Basic ${btoa(`${user}:${password}`)}` };
    await fetch(`${storage}/api/v1/import/prometheus`, { method: 'POST', headers, body: page });
    await until(async () => (await ask('beta', 'sum(stock)')).value === '20', 'what was written', 20_000);
    await restart();
    await until(async () => (await ask('alpha', 'sum(stock)')).value === '10', 'what was written', 20_000);
  }

  async function ownEngine(quarantine?: QuarantineOptions): Promise<Gateway> {
    const [port] = await freePorts(1);
    return start(true, `http://127.0.0.1:${port}`, quarantine);
  }

  test('a query that ends it is refused, each text once, and whoever asked meanwhile has the answer', async () => {
    const gateway = await ownEngine();
    for (const killer of killers) {
      const others = Array.from({ length: 12 }, (_, i) => {
        const org = i % 2 === 0 ? 'alpha' : 'beta';
        return gateway.ask(org, `sum(stock) + ${i} * 0`).then(({ status, value }) => `${org} ${status} ${value}`);
      });
      const guilty = await gateway.ask('alpha', killer);
      expect([guilty.status, JSON.parse(guilty.body).error]).toEqual([
        422,
        expect.stringContaining('ends the storage engine'),
      ]);
      expect(new Set(await Promise.all(others))).toEqual(new Set(['alpha 200 10', 'beta 200 20']));
    }
    // Up again; and from then on these texts do not reach it.
    expect(await gateway.ask('alpha', 'sum(stock)')).toMatchObject({ status: 200, value: '10' });
    const pid = gateway.pid();
    for (const killer of killers) expect((await gateway.ask('alpha', killer)).status).toBe(422);
    expect((await gateway.ask('alpha', 'sum(stock)')).status).toBe(200);
    expect(gateway.pid()).toBe(pid);
  });

  test('one that keeps ending it is barred with its organization; the others are not', async () => {
    const gateway = await ownEngine({ strikes: 3, period: 60_000 });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await gateway.ask('alpha', `{}[${i + 1}M:]`)).status);
    expect(statuses).toEqual([422, 422, 429, 429, 429]);
    expect((await gateway.ask('alpha', 'sum(stock)')).status).toBe(429);
    expect(await gateway.ask('beta', 'sum(stock)')).toMatchObject({ status: 200, value: '20' });
  });

  test('a thousand mutated queries take no answer from anybody else', async () => {
    const gateway = await ownEngine(unlimited);
    const random = seeded(20_240);
    const seeds = [
      ...killers,
      'sum(rate(stock[5m])) by (n) > bool 1',
      'histogram_quantile(0.9, sum(increase(fly_app_connect_time_seconds_bucket{app=~"a.*"}[1h])) by (le))',
      'WITH (f(x) = x + 1) f(stock offset 5m) or label_replace(stock, "a", "$1", "n", "(.*)")',
      'stock{n="1"} * on(n) group_left(org) stock default 0 if stock != 3',
      'topk(3, max_over_time(stock[10m:30s])) keep_metric_names limit 2',
      '-stock ^ 2 % 3 unless ignoring(n) {__name__=~"st.+", n!~"1|2"} @ end()',
    ];
    const texts = new Set<string>();
    while (texts.size < 1_000) {
      const seed = seeds[Math.floor(random() * seeds.length)]!;
      const text = mutate(Buffer.from(seed), random).toString().trim();
      if (text !== '') texts.add(text);
    }
    const queue = [...texts];
    const statuses = new Map<number, number>();
    let over = false;
    const attackers = Array.from({ length: 6 }, async () => {
      for (let text = queue.pop(); text !== undefined; text = queue.pop()) {
        const { status } = await gateway.ask('alpha', text);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    let answered = 0;
    const bystanders = Array.from({ length: 2 }, async (_, i) => {
      while (!over) {
        const { status, value, body } = await gateway.ask('beta', `sum(stock) + 0 * 1${answered}${i}`);
        expect([status, value], body).toEqual([200, '20']);
        answered++;
      }
    });
    await Promise.all([Promise.all(attackers).finally(() => (over = true)), ...bystanders]);
    const [condemned, ends] = [
      await gateway.count('fly_gateway_condemned_count'),
      await gateway.count('fly_gateway_engine_ends_count'),
    ];
    const told = JSON.stringify(Object.fromEntries(statuses));
    console.info(
      `1000 mutated queries: ${told}, ${condemned} of them ended it ${ends} times; ${answered} others answered`,
    );
    expect(condemned).toBeGreaterThan(0);
    // Good ones, and those that the engine or we find fault with; nothing was lost.
    expect([...statuses.keys()].filter((status) => ![200, 400, 422].includes(status))).toEqual([]);
    expect(answered).toBeGreaterThan(50);
    for (const killer of killers) expect((await gateway.ask('alpha', killer)).status).toBe(422);
  });

  test('killed from outside, it is started again: nobody loses an answer', async () => {
    const gateway = await ownEngine();
    for (let i = 0; i < 3; i++) {
      const pid = gateway.pid()!;
      process.kill(pid, 'SIGKILL');
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) => gateway.ask('alpha', `sum(stock) + 0 * 1${i}${n}`)),
      );
      expect(new Set(answers.map(({ status, value }) => `${status} ${value}`))).toEqual(new Set(['200 10']));
      expect(gateway.pid()).not.toBe(pid);
    }
  });

  test('one that runs elsewhere: 502 while it is away, and answers as soon as it is back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-elsewhere-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const storage = await Storage.victoriaMetrics(folder);
    closers.push(() => storage.stop());
    const gateway = await start(false, storage.url);
    await fill(gateway, () => storage.restart());
    const asked = Array.from({ length: 10 }, () => gateway.ask('alpha', 'sum(stock)'));
    storage.kill();
    // Those that were on their way have their answer, or are told.
    for (const { status } of await Promise.all(asked)) expect([200, 502]).toContain(status);
    for (let i = 0; i < 5; i++) {
      const { status, body } = await gateway.ask('alpha', 'sum(stock)');
      expect([status, JSON.parse(body)]).toEqual([
        502,
        { status: 'error', errorType: 'unavailable', error: expect.any(String) },
      ]);
    }
    await storage.restart();
    expect(await gateway.ask('alpha', 'sum(stock)')).toMatchObject({ status: 200, value: '10' });
    // Nothing of it was held against the queries.
    expect(await gateway.ask('beta', 'sum(stock)')).toMatchObject({ status: 200, value: '20' });
  });

  test('two hundred large answers at once, to slow readers, in flat memory', async () => {
    const chain = await startChain(
      'concurrency = 200\ntimeout = "2m"\nqueue_timeout = "2m"',
      '-search.maxQueueDuration=100s',
      '-search.maxConcurrentRequests=32',
    );
    closers.push(() => chain.stop());
    const [series, points] = [400, 200];
    const now = Math.floor(Date.now() / 1000);
    const lines = Array.from({ length: series }, (_, n) =>
      JSON.stringify({
        metric: { __name__: 'large', org: 'alpha', n: `series ${n}` },
        values: Array.from({ length: points }, (_, i) => n * 1.25 + i),
        timestamps: Array.from({ length: points }, (_, i) => (now - points + i) * 1000),
      }),
    );
    await fetch(`${chain.engine}/api/v1/import`, {
      method: 'POST',
      headers: engineHeaders,
      body: lines.join('\n'),
    });
    const { hostname, port } = new URL(chain.gateway);
    const path = `/prometheus/alpha/api/v1/query_range?query=large&start=${now - points}&end=${now - 1}&step=1s`;
    const headers = { authorization: chain.tokens.alpha };
    /** Bytes of one answer, read with a pause at its start. */
    const read = (pause: number) =>
      new Promise<number>((resolve, reject) => {
        const asked = request({ hostname, port, path, headers, agent: false }, (response) => {
          let size = 0;
          expect(response.statusCode).toBe(200);
          response.pause();
          setTimeout(() => response.resume(), pause);
          response.on('data', (chunk: Buffer) => (size += chunk.length)).on('end', () => resolve(size));
          response.on('error', reject);
        });
        asked.on('error', reject).end();
      });
    const size = await until(async () => {
      const bytes = await read(0);
      return bytes > 500_000 && bytes;
    });
    const pid = chain.process.pid!;
    resetPeak(pid);
    const before = memoryOf(pid).now;
    const sizes = await Promise.all(Array.from({ length: 200 }, () => read(300)));
    expect(new Set(sizes)).toEqual(new Set([size]));
    const grown = memoryOf(pid).peak - before;
    console.info(`200 answers of ${size} bytes: the gateway grew by ${Math.round(grown / 1024 / 1024)} MiB`);
    expect(grown).toBeLessThan((200 * size) / 3);
  });
});
