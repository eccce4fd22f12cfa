/**
 * The requests that Grafana's Prometheus data source makes (grafana/grafana: pkg/promlib, packages/grafana-prometheus), as its
 * server sends them on: each gets what Grafana goes on with.
 */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Chain, startChain } from '../helpers/chain.ts';
import { installed } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

interface Answer {
  status: number;
  body: { status: string; data: unknown; errorType?: string; error?: string };
}

describe.skipIf(!installed('victoriaMetrics'))('Grafana asks', () => {
  let chain: Chain;

  /** The headers of Grafana's server, and the one of its own that the data source is given. */
  const headers = (token: string) => ({
    authorization: token,
    'user-agent': 'Grafana/11.2.0',
    'accept-encoding': 'gzip',
    'x-dashboard-uid': 'fly-edge-edge',
    'x-panel-id': '3',
    'x-datasource-uid': 'fly-edge',
    'x-grafana-org-id': '1',
  });

  async function ask(
    method: 'GET' | 'POST',
    path: string,
    parameters: Record<string, string> = {},
    token = chain.tokens.alpha,
  ): Promise<Answer> {
    const url = `${chain.gateway}/prometheus/alpha/${path}`;
    // Go's form: brackets are escaped, a space is a plus.
    const form = new URLSearchParams(parameters);
    const response =
      method === 'POST'
        ? await fetch(url, { method, headers: headers(token), body: form })
        : await fetch(form.size === 0 ? url : `${url}?${form}`, { headers: headers(token) });
    expect(response.headers.get('content-type')).toContain('application/json');
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  }

  const seconds = () => Date.now() / 1000;
  /** With fractions, as of `now-5m`. */
  const range = () => ({ start: (seconds() - 300).toFixed(3), end: seconds().toFixed(3) });

  beforeAll(async () => {
    chain = await startChain();
    await chain.traffic('alpha', 200, 3);
    await until(
      async () => {
        const query = 'sum(fly_edge_http_responses_count{status="200"}) == 3 and on () shop_stock';
        const { body } = await ask('POST', 'api/v1/query', { query, time: seconds().toFixed(3) });
        return (body.data as { result: unknown[] }).result.length > 0;
      },
      'the first scrape',
      30_000,
    );
  });

  afterAll(async () => {
    await chain?.stop();
  });

  test('whether the data source works: 1+1, at second 4', async () => {
    const { status, body } = await ask('POST', 'api/v1/query', { query: '1+1', time: '4' });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'success', data: { resultType: 'vector', result: [{ value: [4, '2'] }] } });
  });

  test('the same without a good token: its status becomes the message', async () => {
    const { status } = await ask('POST', 'api/v1/query', { query: '1+1', time: '4' }, 'FlyV1 fm2_AAAA');
    expect(status).toBe(401);
  });

  test('a panel: a range, aligned to the step', async () => {
    const step = 15;
    const end = Math.floor(seconds() / step) * step;
    const form = { query: 'sum by (app) (fly_edge_data_in)', start: `${end - 300}`, end: `${end}`, step: `${step}` };
    for (const method of ['POST', 'GET'] as const) {
      const { status, body } = await ask(method, 'api/v1/query_range', form);
      expect([status, body.status]).toEqual([200, 'success']);
      expect(body.data).toMatchObject({ resultType: 'matrix', result: expect.any(Array) });
    }
  });

  test('a table: one moment', async () => {
    const form = { query: 'shop_stock', time: seconds().toFixed(3), timeout: '60s' };
    const { body } = await ask('POST', 'api/v1/query', form);
    expect(body.data).toMatchObject({
      resultType: 'vector',
      result: [{ metric: { app: 'shop' }, value: [expect.any(Number), '3'] }],
    });
  });

  test('a query with a fault: the engine says which', async () => {
    const { status, body } = await ask('POST', 'api/v1/query', { query: 'sum(', time: '4' });
    expect([status, body.status]).toEqual([422, 'error']);
    expect(body.error).toContain('sum(');
  });

  test('the names of labels', async () => {
    for (const method of ['POST', 'GET'] as const) {
      const { status, body } = await ask(method, 'api/v1/labels', {
        ...range(),
        limit: '40000',
        'match[]': '{__name__="shop_orders_total"}',
      });
      expect(status).toBe(200);
      expect(body.data).toEqual(expect.arrayContaining(['__name__', 'app', 'kind', 'instance']));
      expect(body.data).not.toContain('proxy_id');
    }
  });

  test('the names of series, for its editor', async () => {
    const { body } = await ask('GET', 'api/v1/label/__name__/values', { ...range(), limit: '40000' });
    expect(body.data).toEqual(expect.arrayContaining(['fly_edge_data_in', 'shop_stock']));
    expect(body.data).not.toContain('vault');
  });

  test("a variable: a label's values among those of a selector", async () => {
    const form = { ...range(), 'match[]': 'fly_app_tcp_connects_count{app=~".*"}' };
    const { status, body } = await ask('GET', 'api/v1/label/instance/values', form);
    expect([status, body.data]).toEqual([200, ['aa01']]);
  });

  test('series', async () => {
    const { body } = await ask('POST', 'api/v1/series', { ...range(), 'match[]': 'shop_stock', limit: '40000' });
    expect(body.data).toEqual([expect.objectContaining({ __name__: 'shop_stock', app: 'shop', instance: 'aa01' })]);
  });

  /** What it asks in case the data source has it, and goes on without. */
  test.each<[what: string, method: 'GET' | 'POST', path: string, form: Record<string, string>]>([
    ['which Prometheus it is: unknown, no ruler', 'GET', 'api/v1/status/buildinfo', {}],
    ['which Prometheus it is, as a POST first', 'POST', 'api/v1/status/buildinfo', {}],
    ['recording rules: none are expanded', 'GET', 'api/v1/rules', {}],
    [
      'exemplars: the switch for them is not offered',
      'POST',
      'api/v1/query_exemplars',
      { query: 'test', start: '1', end: '2' },
    ],
    ['types and texts of series: its editor shows none', 'GET', 'api/v1/metadata', { limit: '40000' }],
  ])('%s (404)', async (_what, method, path, form) => {
    const { status, body } = await ask(method, path, form);
    expect([status, body.status, body.errorType]).toEqual([404, 'error', 'not_found']);
  });
});
