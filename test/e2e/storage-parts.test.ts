/** An organization whose page no scraper takes in one piece: every series arrives, in real engines. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ScrapeEngine, scrapeConfig } from '../../src/metrics/scrape-config.ts';
import { type AppOptions, Edge } from '../helpers/edge.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** What a scraper takes, by the configuration that we print. */
const limit = 16 * 1024 * 1024;
const [apps, instances] = [220, 10];

interface Group {
  labels: Record<string, string>;
}

const app = (i: number): AppOptions => ({
  name: `app-${i}`,
  org: 'alpha',
  instances: Array.from({ length: instances }, (_, j) => ({ id: `${i}d890${j}`, port: 9 })),
});

describe.skipIf(!installed('victoriaMetrics', 'prometheus'))('an organization with 220 apps of 10 instances', () => {
  let folder: string;
  let edge: Edge;

  const get = async (path: string): Promise<string> => (await fetch(edge.metricsUrl + path)).text();
  const pages = async (): Promise<string[]> =>
    (JSON.parse(await get('/sd')) as Group[])
      .filter(({ labels }) => labels.__param_org === 'alpha')
      .map(({ labels }) => `/metrics?org=alpha&part=${labels.__param_part}`);
  const samples = (page: string): string[] => page.split('\n').filter((line) => /^fly_(app|edge|slot)_/.test(line));

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-parts-'));
    edge = await Edge.start({
      organizations: { alpha: 1 },
      operator: 'alpha',
      apps: Array.from({ length: apps }, (_, i) => app(i)),
    });
    // Workers tell the series of so many apps in portions, while the edge serves already.
    let before = '';
    await until(
      async () => {
        const page = await get('/metrics?org=alpha');
        const now = `${samples(page).length} series, ${page.split('fly_app_connect_time_seconds_count{').length - 1} instances`;
        const settled = now === before && now.endsWith(` ${2 * apps * instances} instances`);
        before = now;
        return settled;
      },
      'all series',
      60_000,
    );
  });
  afterAll(async () => {
    await edge.stop();
    rmSync(folder, { recursive: true });
  });

  test('has a page beyond what a scraper takes, and parts well below it that hold each series once', async () => {
    const whole = await get('/metrics?org=alpha');
    expect(whole.length).toBeGreaterThan(limit);
    const parts = await Promise.all((await pages()).map(get));
    for (const part of parts) expect(part.length).toBeLessThan(limit / 2);
    const names = (lines: string[]) => lines.map((line) => line.slice(0, line.lastIndexOf(' '))).toSorted();
    expect(names(parts.flatMap(samples))).toEqual(names(samples(whole)));
  });

  test.each<[engine: ScrapeEngine, start: (file: string) => Promise<Storage>]>([
    ['victoria-metrics', (file) => Storage.victoriaMetrics(folder, `-promscrape.config=${file}`)],
    ['prometheus', (file) => Storage.prometheus(folder, file)],
  ])('%s has every series of it, and none has a label of the part', async (engine, start) => {
    const file = join(folder, `${engine}.yml`);
    const edges = [new URL(edge.metricsUrl).host];
    writeFileSync(file, scrapeConfig({ engine, edges, gateway: null, interval: 5, tenants: false }));
    const storage = await start(file);
    try {
      const parts = (await pages()).map((_, i) => String(i));
      const up = async () => (await storage.query('up{job="fly-edge"} == 1')).map(({ metric }) => metric.part!);
      await until(async () => (await up()).length === parts.length, 'each part', 90_000);
      expect((await up()).toSorted()).toEqual(parts.toSorted());
      const count = async (query: string) => Number((await storage.query(`count(${query})`))[0]?.value[1] ?? 0);
      const all = samples(await get('/metrics?org=alpha')).length;
      await until(async () => (await count('{__name__=~"fly_(app|edge|slot)_.+"}')) === all, `${all} series`, 30_000);
      expect(await count('{__name__=~"fly_.+",part!=""}')).toBe(0);
      expect(await count('{__name__=~"fly_(app|edge|slot)_.+",org!="alpha"}')).toBe(0);
    } finally {
      await storage.stop();
    }
  });

  test('apps that come and go leave all others where they are', async () => {
    const where = async () => {
      const at = new Map<string, number>();
      for (const [i, page] of (await pages()).entries()) {
        for (const [, name] of (await get(page)).matchAll(/^fly_edge_data_in\{app="(app-\d+)"/gm)) at.set(name!, i);
      }
      return at;
    };
    const before = await where();
    expect(before.size).toBe(apps);
    const stay = Array.from({ length: apps }, (_, i) => i).filter((i) => i % 10 !== 0);
    const come = Array.from({ length: 30 }, (_, i) => 1000 + i);
    await edge.reconfigure({ apps: [...come, ...stay].map(app) });
    const after = await where();
    for (const i of stay) expect(after.get(`app-${i}`)).toBe(before.get(`app-${i}`));
    for (const i of come) expect(after.has(`app-${i}`)).toBe(true);
  });
});
