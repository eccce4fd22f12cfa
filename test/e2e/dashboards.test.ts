/** Every query of the dashboards, filled in and asked as Grafana does, through the gateway, on recorded traffic. */

import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { seriesIn, seriesOf } from '../../src/dashboards/selectors.ts';
import { cataloguePage } from '../helpers/catalogue-page.ts';
import { DashboardTraffic } from '../helpers/dashboard-traffic.ts';
import { parseExposition } from '../helpers/exposition.ts';
import {
  dashboards,
  type Filling,
  fill,
  labelValues,
  type NamedTarget,
  placeholders,
  targetsOf,
} from '../helpers/grafana.ts';
import { installed } from '../helpers/storage.ts';
import { engineHeaders } from '../helpers/tier.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

/** Rounds of traffic. */
const count = 12;

interface Series {
  metric: Record<string, string>;
  values?: [number, string][];
  value?: [number, string];
}

const everywhere = { region: ['lab'], host: ['2bc3'] };

/** What the variables of each dashboard offer. */
const offers: Record<string, Record<string, string[]>> = {
  'edge.json': { app: ['db', 'dead', 'ill', 'shop'], ...everywhere },
  'app.json': { app: ['db', 'dead', 'ill', 'shop'], ...everywhere, instance: ['aa01', 'aa02', 'cc01', 'dd01', 'ee01'] },
  'instance.json': { app: ['shop'], ...everywhere, instance: ['aa01', 'aa02'] },
  'volumes.json': { app: ['shop'], ...everywhere, id: ['vol_1', 'vol_2'] },
  'postgres.json': { app: ['db'], ...everywhere, instance: ['cc01'], datname: ['postgres', 'shop'] },
};

describe.skipIf(!installed('victoriaMetrics'))('the dashboards, on traffic of every kind', () => {
  let traffic: DashboardTraffic;
  let start: number;
  let end: number;

  async function post(path: string, form: Record<string, string>): Promise<unknown> {
    const response = await fetch(`${traffic.tier.gateway}/prometheus/alpha/${path}`, {
      method: 'POST',
      headers: { authorization: traffic.token },
      body: new URLSearchParams(form),
    });
    const body = (await response.json()) as { status: string; error?: string; data: unknown };
    if (body.status !== 'success') throw new Error(`${form.query}: ${body.error}`);
    return body.data;
  }

  /** @param step seconds; the range is aligned to it, as Grafana does. */
  async function ask(query: string, target: { instant: boolean }, step = 1): Promise<Series[]> {
    const aligned = (time: number) => String(Math.floor(time / step) * step);
    const data = target.instant
      ? await post('api/v1/query', { query, time: String(end) })
      : await post('api/v1/query_range', { query, start: aligned(start), end: aligned(end), step: String(step) });
    const { resultType, result } = data as { resultType: string; result: Series[] };
    expect(resultType).toBe(target.instant ? 'vector' : 'matrix');
    return result;
  }

  const now = () => Math.floor(Date.now() / 1000);
  const value = async (query: string): Promise<number> => {
    const { result } = (await post('api/v1/query', { query })) as { result: Series[] };
    return Number(result[0]?.value?.[1] ?? Number.NaN);
  };
  /** Four scrapes at least, where a panel wants a minute: as if there was one each `scrape` seconds. */
  const stepOf = ({ interval }: NamedTarget, scrape: number): number => (interval === undefined ? scrape : 4 * scrape);

  /** Volumes are the edge's own: here they come from elsewhere, with the labels that its page would give them. */
  async function importVolumes(): Promise<void> {
    const standard: Record<string, string> = { app: 'shop', region: 'lab', host: '2bc3' };
    const lines: string[] = [];
    for (let at = start; at <= end; at++) {
      for (const [name, samples] of parseExposition(cataloguePage('volume', at - start))) {
        const theirs = Object.entries(standard).filter(([label]) => seriesOf(name).labels.includes(label));
        for (const { labels, value } of samples) {
          const all = Object.entries({ org: 'alpha', ...Object.fromEntries(theirs), ...labels });
          lines.push(`${name}{${all.map(([label, text]) => `${label}="${text}"`).join(',')}} ${value} ${at}000`);
        }
      }
    }
    const body = `${lines.join('\n')}\n`;
    await fetch(`${traffic.tier.engine}/api/v1/import/prometheus`, { method: 'POST', headers: engineHeaders, body });
    await until(async () => (await value('count(fly_volume_used_pct)')) > 0, 'the volumes', 20_000);
  }

  beforeAll(async () => {
    traffic = await DashboardTraffic.start();
    for (const name of ['fly_edge_data_in', 'fly_instance_up', 'pg_stat_database_numbackends']) {
      await until(async () => (await value(`count(${name})`)) > 0, `the first scrape of ${name}`, 30_000);
    }
    start = now();
    const rounds = async (times: number) => {
      for (let i = 0; i < times; i++) {
        await traffic.round();
        // Traffic goes on over several scrapes.
        await delay(300);
      }
    };
    await rounds(count / 2);
    await traffic.upheaval();
    await rounds(count / 2);
    // All that happened is before the last point of any step.
    end = (Math.floor(now() / 4) + 2) * 4;
    await until(async () => (await value('min(timestamp(up))')) >= end, 'the scrapes after it', 30_000);
    await importVolumes();
  });

  afterAll(async () => {
    await traffic?.stop();
  });

  /** That it gives numbers, in the shape that its panel draws, with the labels that its legend names. */
  async function check({ panel, ...target }: NamedTarget, query: string, step: number): Promise<void> {
    const result = await ask(query, target, step);
    const numbers = result.flatMap(({ values, value }) => (values ?? [value!]).map(([, text]) => Number(text)));
    expect(
      numbers.some((number) => Number.isFinite(number) && number !== 0),
      query,
    ).toBe(true);
    for (const { metric } of result) {
      if (Object.values(metric).includes('others')) continue;
      for (const label of placeholders(target.legendFormat)) expect(metric, query).toHaveProperty(label);
    }
    if (panel?.type === 'stat') expect(result.length, query).toBe(1);
    if (panel?.type === 'heatmap') expect(result.length, query).toBeGreaterThan(5);
    if (query.includes('topk_avg(10')) expect(result.length, query).toBeLessThanOrEqual(11);
  }

  test.each([
    ['TLS / Handshakes not finished A', { app: 'shop' }, count],
    ['Slots / Flips A', { result: 'served' }, 1],
    ['Slots / Workers replaced A', { reason: 'signal' }, 1],
  ])('%s: what is counted is counted once', async (name, labels, times) => {
    const dashboard = dashboards.get('edge.json')!;
    const target = targetsOf(dashboard).find((each) => each.name === `fly-edge: Edge / ${name}`)!;
    const step = stepOf(target, 1);
    const filling = { chosen: 'all', range: end - start, step, scrape: 1 } as const;
    const all = await ask(fill(target.expr, dashboard.templating.list, filling), target, step);
    const wanted = Object.entries(labels);
    const series = all.filter(({ metric }) => wanted.every(([label, value]) => metric[label] === value));
    const numbers = series.flatMap(({ values }) => values!.map(([, text]) => Number(text)));
    expect(numbers.reduce((total, number) => total + number, 0)).toBe(times);
  });

  describe.each([...dashboards])('%s', (file, dashboard) => {
    const variables = dashboard.templating.list;
    const targets = targetsOf(dashboard);

    test('variables offer what there is', async () => {
      const offered: Record<string, string[]> = {};
      for (const variable of variables.filter(({ type }) => type === 'query')) {
        const { series, label } = labelValues(variable);
        const match = fill(series, variables, { chosen: 'all', range: end - start, step: 1, scrape: 1 });
        const parameters = new URLSearchParams({ 'match[]': match, start: String(start), end: String(end) });
        const url = `${traffic.tier.gateway}/prometheus/alpha/api/v1/label/${label}/values?${parameters}`;
        const response = await fetch(url, { headers: { authorization: traffic.token } });
        offered[label] = ((await response.json()) as { data: string[] }).data;
      }
      expect(offered).toEqual(offers[file]);
    });

    test.each(targets.map((target) => [target.name, target] as const))('%s', async (_name, target) => {
      const asked = (chosen: Filling['chosen'], scrape: number) =>
        fill(target.expr, variables, { chosen, range: end - start, step: stepOf(target, scrape), scrape });
      await check(target, asked('all', 1), stepOf(target, 1));
      // As the data source is provisioned: rates over 1m0s, in Go's words.
      await check(target, asked(offers[file]!, 15), 1);
      for (const label of Object.keys(offers[file]!)) {
        // What is chosen restricts every series that has the label.
        if (!seriesIn(target.expr).every(({ labels }) => labels.includes(label))) continue;
        expect(await ask(asked({ ...offers[file], [label]: ['no.body', 'else'] }, 1), target), label).toEqual([]);
      }
    });
  });

  // The last one: no agent is there any more.
  test('how an app ended is shown when its agent is long gone', async () => {
    traffic.loseAgents();
    await until(async () => (await value('sum(up{job="agent"})')) === 0, 'the agents to be missed', 30_000);
    await until(async () => Number.isNaN(await value('count(fly_instance_exit_code)')), 'their series to end', 30_000);
    const { templating, ...dashboard } = dashboards.get('instance.json')!;
    for (const title of ['Exit codes', 'Killed for memory']) {
      const target = targetsOf({ templating, ...dashboard }).find(({ name }) => name.endsWith(`/ ${title} A`))!;
      end = now();
      const filling = { chosen: 'all', range: end - start, step: 1, scrape: 1 } as const;
      const result = await ask(fill(target.expr, templating.list, filling), target, 1);
      expect(result.map(({ metric }) => metric.instance).sort(), title).toEqual(['aa01', 'aa02']);
    }
  });
});
