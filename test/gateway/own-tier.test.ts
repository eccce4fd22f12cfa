/** The engine and the scraper that the gateway starts, both the real programs. */

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { engineEnvironment, type LoneGateway, startLoneGateway } from '../helpers/lone-gateway.ts';
import { installed } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const commandLine = (pid: number | undefined) =>
  readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1);
const flag = (pid: number | undefined, name: string) =>
  commandLine(pid)
    .find((word) => word.startsWith(`-${name}=`))
    ?.slice(name.length + 2);

/** An edge's metrics port with one page, whose one series says how often it was scraped. */
async function edge() {
  let scrapes = 0;
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const target = { targets: [`127.0.0.1:${port}`], labels: { __meta_fly_kind: 'edge', org: 'alpha' } };
    if (request.url === '/sd') response.setHeader('Content-Type', 'application/json').end(JSON.stringify([target]));
    else response.end(`fly_test_scrapes ${++scrapes}\n`);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, scrapes: () => scrapes };
}

async function tier(options: { edge?: number } = {}): Promise<LoneGateway & { storage: string }> {
  const [port] = await freePorts(1);
  const storage = `http://127.0.0.1:${port}`;
  const gateway = await startLoneGateway({
    storage,
    organizations: ['alpha'],
    engine: true,
    scraper: true,
    interval: 1,
    ...options,
  });
  onTestFinished(() => gateway.stop());
  return { ...gateway, storage };
}

/** All samples of a series that the storage has, by value. */
async function samples({ url, token }: LoneGateway, series: string): Promise<number[]> {
  const query = new URLSearchParams({ query: `${series}[1h]`, nocache: '1' });
  const response = await fetch(`${url}/prometheus/alpha/api/v1/query?${query}`, { headers: { authorization: token } });
  const { data } = (await response.json()) as { data?: { result: { values: [number, string][] }[] } };
  return (data?.result ?? []).flatMap(({ values }) => values.map(([, value]) => Number(value)));
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

describe.skipIf(!installed('victoriaMetrics', 'vmagent'))('a scraper beside the engine', () => {
  test('the engine is killed again and again: each scrape is in the storage, once', async () => {
    const { port, scrapes } = await edge();
    const it = await tier({ edge: port });
    for (let kills = 0; kills < 4; kills++) {
      const from = scrapes();
      await until(() => scrapes() >= from + 3, 'three scrapes', 30_000);
      const pid = it.running.enginePid!;
      process.kill(pid, 'SIGKILL');
      await until(() => it.running.enginePid !== pid, 'another engine', 30_000);
    }
    // What it could not deliver it sends again after a while.
    const last = scrapes() + 2;
    let found: number[] = [];
    const all = async () => {
      found = await samples(it, 'fly_test_scrapes').catch(() => found);
      return new Set(found.filter((value) => value <= last)).size === last;
    };
    await until(all, 'every scrape in the storage', 30_000).catch(() => {});
    expect(found.filter((value) => value <= last)).toEqual(upTo(last));
  });

  test('the scraper is killed: another takes its place, and it is counted', async () => {
    const { port, scrapes } = await edge();
    const it = await tier({ edge: port });
    await until(() => scrapes() > 1, 'scrapes', 30_000);
    const pid = it.running.scraperPid!;
    process.kill(pid, 'SIGKILL');
    await until(() => it.running.scraperPid !== pid, 'another scraper', 30_000);
    const from = scrapes();
    await until(() => scrapes() > from + 1, 'scrapes of the other', 30_000);
    const own = await (await fetch(`${it.own}/metrics`)).text();
    expect(own).toMatch(/^fly_gateway_scraper_ends_count 1$/m);
    expect(own).toMatch(/^fly_gateway_engine_ends_count 0$/m);
  });

  test('it listens on loopback, and gives a stranger nothing, whatever the path', async () => {
    const it = await tier();
    const pid = it.running.scraperPid;
    const address = flag(pid, 'httpListenAddr');
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    const env = engineEnvironment(it.running);
    const words = commandLine(pid).join(' ');
    for (const name of ['httpAuth_password', 'configAuthKey', 'reloadAuthKey', 'metricsAuthKey']) {
      expect(env[name], name).toMatch(/^[\w-]{32}$/);
      expect(words).not.toContain(env[name]);
    }
    const page = { headers: { host: 'evil.test', origin: 'http://evil.test' } };
    for (const path of [
      ...['/', '/targets', '/api/v1/targets', '/service-discovery', '/target_response?id=1', '/config', '/-/reload'],
      ...[
        '/api/v1/write',
        '/write',
        '/api/v1/import',
        '/api/v1/import/prometheus',
        '/api/v1/import/csv',
        '/influx/write',
      ],
      ...['/datadog/api/v1/series', '/newrelic/infra/v2/metrics/events/bulk', '/opentelemetry/api/v1/push'],
      ...[
        '/metrics',
        '/flags',
        '/debug/pprof/cmdline',
        '/debug/pprof/heap',

        '/prometheus/api/v1/write',
      ],
    ]) {
      for (const method of ['GET', 'POST']) {
        expect((await fetch(`http://${address}${path}`, { method, ...page })).status, path).toBe(401);
      }
    }
    const relay = new URL(flag(pid, 'remoteWrite.url')!);
    expect(relay.hostname).toBe('127.0.0.1');
    for (const method of ['GET', 'POST']) expect((await fetch(relay, { method })).status).toBe(401);
  });

  test('its queue is in the tier`s folder, closed to others, and bounded', async () => {
    const { running } = await tier();
    const queue = flag(running.scraperPid, 'remoteWrite.tmpDataPath')!;
    expect(existsSync(join(queue, 'persistent-queue'))).toBe(true);
    expect(flag(running.scraperPid, 'remoteWrite.maxDiskUsagePerURL')).toBe('1GiB');
    expect(flag(running.enginePid, 'promscrape.config')).toBeUndefined();
    expect(flag(running.scraperPid, 'promscrape.config')).toMatch(/scrape\.yml$/);
  });
});
