/** Two organizations behind one gateway: each sees its own, in every way that there is to ask, and nothing else. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Chain, startChain } from '../helpers/chain.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { engineHeaders } from '../helpers/tier.ts';
import { until } from '../helpers/until.ts';
import { breakouts } from './breakouts.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

interface Body {
  status: string;
  data: unknown;
}

describe.skipIf(!installed('victoriaMetrics', 'prometheus'))('the gateway', () => {
  let chain: Chain;
  /** A moment whose samples are all in. */
  let now: number;

  const url = (org: string, path: string) => `${chain.gateway}/prometheus/${org}/${path}`;

  async function ask(
    org: 'alpha' | 'beta',
    path: string,
    form: [string, string][],
    method = 'POST',
  ): Promise<Response> {
    const parameters = new URLSearchParams(form);
    const headers = { authorization: chain.tokens[org] };
    return method === 'POST'
      ? fetch(url(org, path), { method, headers, body: parameters })
      : fetch(`${url(org, path)}?${parameters}`, { headers });
  }

  async function value(org: 'alpha' | 'beta', query: string): Promise<number> {
    const body = await (await ask(org, 'api/v1/query', [['query', query]])).json();
    return Number((body as { data: { result: { value: [number, string] }[] } }).data.result[0]?.value[1] ?? Number.NaN);
  }

  async function direct(path: string, form: [string, string][]): Promise<string> {
    const asked = { method: 'POST', headers: engineHeaders, body: new URLSearchParams(form) };
    return (await fetch(`${chain.engine}/${path}`, asked)).text();
  }

  beforeAll(async () => {
    chain = await startChain();
    await until(async () => (await value('alpha', 'count(fly_edge_data_in)')) > 0, 'the first scrape', 30_000);
    await until(async () => (await value('beta', 'count(vault)')) > 0, 'the first scrape of apps', 30_000);
  });

  afterAll(async () => {
    await chain?.stop();
  });

  test('a burst between two scrapes shows whole in increase()', async () => {
    await chain.traffic('alpha', 200, 37);
    await chain.traffic('alpha', 500, 5);
    await chain.traffic('beta', 200, 11);
    const by = (org: 'alpha' | 'beta', status: number) =>
      value(org, `sum(increase(fly_edge_http_responses_count{status="${status}"}[5m])) by (app, status)`);
    await until(async () => (await by('beta', 200)) > 0, 'the next scrape', 20_000);
    await until(async () => (await by('alpha', 500)) > 0, 'the next scrape', 20_000);
    expect(await by('alpha', 200)).toBe(37);
    expect(await by('alpha', 500)).toBe(5);
    expect(await by('beta', 200)).toBe(11);
    expect(await value('beta', 'sum(increase(fly_app_http_responses_count[5m]))')).toBe(11);
    expect(chain.instances.beta.requests).toBe(11);
    now = Math.ceil(Date.now() / 1000);
    for (const org of ['alpha', 'beta'] as const) {
      await until(async () => (await value(org, 'min(timestamp(up))')) > now, 'a scrape after it', 20_000);
    }
  });

  describe('what it answers is what the engine says of one organization', () => {
    const own = '{org="alpha"}';
    const at = (): [string, string][] => [['time', String(now)]];
    const range = (): [string, string][] => [
      ['start', String(now - 10)],
      ['end', String(now)],
      ['step', '1s'],
    ];
    /** The query for the gateway, and the one that is restricted by hand. */
    const queries: [asked: string, byHand: string][] = [
      ['shop_stock', `shop_stock${own}`],
      ['{__name__=~"shop.*"}', '{__name__=~"shop.*",org="alpha"}'],
      [
        'sum(increase(fly_edge_http_responses_count[1m])) by (app, status)',
        `sum(increase(fly_edge_http_responses_count${own}[1m])) by (app, status)`,
      ],
      [
        'histogram_quantile(0.9, sum(rate(fly_app_connect_time_seconds_bucket[1m])) by (le))',
        `histogram_quantile(0.9, sum(rate(fly_app_connect_time_seconds_bucket${own}[1m])) by (le))`,
      ],
      ['count({__name__!=""}) by (app)', 'count({__name__!="",org="alpha"}) by (app)'],
      ['topk(3, fly_edge_data_in) or shop_stock', `topk(3, fly_edge_data_in${own}) or shop_stock${own}`],
      ['rate(fly_edge_data_out[20s]) keep_metric_names', `rate(fly_edge_data_out${own}[20s]) keep_metric_names`],
      ['WITH (x = shop_stock) x + x', `WITH (x = shop_stock${own}) x + x`],
      ['max_over_time(sum(fly_app_concurrency)[10s:1s])', `max_over_time(sum(fly_app_concurrency${own})[10s:1s])`],
      ['vector(7)', 'vector(7)'],
    ];

    const sorted = (body: string): unknown => {
      const { status, data } = JSON.parse(body) as Body & { data: { result?: unknown[] } };
      const list = Array.isArray(data) ? data : data.result;
      return [status, list?.map((each) => JSON.stringify(each)).sort() ?? data];
    };

    test.each(queries)('query: %s', async (asked, byHand) => {
      const expected = sorted(await direct('api/v1/query', [['query', byHand], ...at()]));
      expect(JSON.stringify(expected)).toContain('value');
      for (const method of ['POST', 'GET']) {
        const answer = await ask('alpha', 'api/v1/query', [['query', asked], ...at()], method);
        expect([answer.status, sorted(await answer.text())]).toEqual([200, expected]);
      }
    });

    test.each(queries)('query_range: %s', async (asked, byHand) => {
      const expected = sorted(await direct('api/v1/query_range', [['query', byHand], ...range(), ['nocache', '1']]));
      expect(JSON.stringify(expected)).toContain('values');
      const answer = await ask('alpha', 'api/v1/query_range', [['query', asked], ...range(), ['nocache', '1']]);
      expect(sorted(await answer.text())).toEqual(expected);
    });

    test.each<[path: string, asked: [string, string][], byHand: [string, string][]]>([
      ['api/v1/series', [['match[]', 'shop_stock']], [['match[]', `shop_stock${own}`]]],
      ['api/v1/series', [['match[]', '{__name__!=""}']], [['match[]', '{__name__!="",org="alpha"}']]],
      ['api/v1/labels', [], [['match[]', own]]],
      ['api/v1/labels', [['match[]', 'shop_orders_total']], [['match[]', 'shop_orders_total']]],
      ['api/v1/label/app/values', [], [['match[]', own]]],
      ['api/v1/label/__name__/values', [], [['match[]', own]]],
      ['api/v1/label/kind/values', [['match[]', 'shop_orders_total']], [['match[]', own]]],
      [
        'api/v1/status/tsdb',
        [['topN', '50']],
        [
          ['topN', '50'],
          ['match[]', own],
        ],
      ],
      [
        'api/v1/status/tsdb',
        [['focusLabel', 'app']],
        [
          ['focusLabel', 'app'],
          ['match[]', own],
        ],
      ],
    ])('%s %j', async (path, asked, byHand) => {
      const expected = sorted(await direct(path, byHand));
      expect(JSON.stringify(expected).length).toBeGreaterThan(20);
      for (const method of ['POST', 'GET']) {
        const answer = await ask('alpha', path, asked, method);
        expect([answer.status, sorted(await answer.text())]).toEqual([200, expected]);
      }
    });

    test('federate', async () => {
      const lines = (page: string) =>
        page
          .split('\n')
          .map((line) => line.replace(/ \d+$/, ''))
          .sort();
      const expected = lines(await direct('federate', [['match[]', '{__name__=~"shop.*",org="alpha"}']]));
      expect(expected).toHaveLength(3);
      const answer = await ask('alpha', 'federate', [['match[]', '{__name__=~"shop.*"}']], 'GET');
      expect(answer.headers.get('content-type')).toContain('text/plain');
      expect(lines(await answer.text())).toEqual(expected);
    });

    test('beta sees its own', async () => {
      const answer = await (await ask('beta', 'api/v1/query', [['query', '{word="secret"}'], ...at()])).text();
      expect(sorted(answer)).toEqual(sorted(await direct('api/v1/query', [['query', '{word="secret"}'], ...at()])));
      expect(answer).toContain('secret-blog');
    });
  });

  describe('nobody breaks out of an organization', () => {
    test('there are at least sixty ways to try', () => {
      expect(breakouts.length).toBeGreaterThanOrEqual(60);
      expect(new Set(breakouts.map(({ name }) => name)).size).toBe(breakouts.length);
    });

    test.each(breakouts)('$name', async ({ name, bytes, direct: leak }) => {
      const { port, host } = new URL(chain.gateway);
      const sent = bytes({ host, engine: new URL(chain.engine).host, token: chain.tokens.alpha });
      // What is looked for is not in what is sent.
      expect(sent).not.toMatch(/secret/);
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      // It keeps some connections open, for the next request.
      socket.setTimeout(1_000, () => socket.destroy());
      socket.write(sent, 'latin1');
      let answer = '';
      socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
      await once(socket, 'close');
      // Node has no answer to CONNECT.
      if (!name.includes('CONNECT')) expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /);
      expect(answer).not.toMatch(/secret|"86753\.09"/);
      if (leak === undefined) {
        for (const [, body] of answer.matchAll(/HTTP\/1\.1 200 OK\r\n.*?\r\n\r\n[0-9a-f]*\s*(.*)/gs)) {
          expect(body).toMatch(/^(\{"status":"success","data":(\{"resultType":"vector","result":)?\[\]|\s*$)/);
        }
      } else {
        // Without the gateway, the same tells.
        expect(await direct(leak.path, leak.form)).toMatch(/secret|"86753\.09"/);
      }
    });

    test('and the gateway is as it was', async () => {
      expect(await value('alpha', 'count(shop_stock)')).toBe(1);
      expect(await value('beta', 'count(shop_stock)')).toBe(1);
    });
  });

  test("who has no good token gets none of it, and another one's is refused", async () => {
    const status = async (authorization: string) =>
      (await fetch(url('beta', 'api/v1/query?query=vault'), { headers: authorization === '' ? {} : { authorization } }))
        .status;
    const { alpha, beta } = chain.tokens;
    expect(await status('')).toBe(401);
    expect(await status(`${beta.slice(0, -6)}AAAAA=`)).toBe(401);
    expect(await status(alpha)).toBe(403);
    expect(await status(beta)).toBe(200);
    expect(await status(beta.replace('FlyV1', 'Bearer'))).toBe(200);
    expect(await status(`${alpha},${beta.replace('FlyV1 ', '')}`)).toBe(200);
  });

  test('remote read is refused, with a reason', async () => {
    const answer = await ask('alpha', 'api/v1/read', []);
    expect(answer.status).toBe(501);
    expect(await answer.json()).toMatchObject({ status: 'error', error: expect.stringContaining('remote read') });
  });

  test('a real Prometheus federates', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-federation-'));
    const [type, credentials] = chain.tokens.alpha.split(' ');
    const config = join(folder, 'prometheus.yml');
    writeFileSync(
      config,
      `scrape_configs:
  - job_name: federate
    scrape_interval: 1s
    scrape_timeout: 1s
    honor_labels: true
    metrics_path: /prometheus/alpha/federate
    params: { 'match[]': ['{__name__=~"shop.*"}', vault] }
    authorization: { type: ${type}, credentials: "${credentials}" }
    static_configs: [{ targets: ['${new URL(chain.gateway).host}'] }]
`,
    );
    const prometheus = await Storage.prometheus(folder, config);
    try {
      const labels = await until(
        async () => {
          const found = await prometheus.labels('{__name__=~"shop.*|vault"}');
          return found.length > 0 && found;
        },
        'the federation',
        20_000,
      );
      expect(labels.map(({ __name__, app, org, instance }) => [__name__, app, org, instance]).sort()).toEqual([
        ['shop_orders_total', 'shop', 'alpha', 'aa01'],
        ['shop_stock', 'shop', 'alpha', 'aa01'],
      ]);
    } finally {
      await prometheus.stop();
      rmSync(folder, { recursive: true });
    }
  });

  test('its own series are in the storage too, each organization with its own', async () => {
    await until(
      async () => (await value('alpha', 'sum(fly_gateway_requests_count{status="200"})')) > 0,
      'its scrape',
      20_000,
    );
    const orgs = await (
      await ask('beta', 'api/v1/label/org/values', [['match[]', 'fly_gateway_requests_count']])
    ).json();
    expect(orgs).toEqual({ status: 'success', data: ['beta'] });
  });
});
