/** The gateway's page in a real browser, on the whole chain: edge, engine, gateway, tokens. */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { chromiumInstalled, current, expectClean, signIn, type Visit, visit, visitIn } from '../helpers/browser.ts';
import { type Chain, startChain } from '../helpers/chain.ts';
import { parseExposition, sum } from '../helpers/exposition.ts';
import { installed } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 120_000 });

const available = chromiumInstalled() && installed('victoriaMetrics');

describe.skipIf(!available)('the page of the gateway', () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startChain();
    // Counters that moved while they were scraped.
    const seen = async () => Number((await ask('sum(fly_edge_http_responses_count)', Date.now() / 1000))[0]?.value[1]);
    await until(async () => (await seen()) === 0, 'the first scrape', 30_000);
    await chain.traffic('alpha', 200, 40);
    await chain.traffic('alpha', 404, 10);
    await chain.traffic('alpha', 500, 5);
    await chain.traffic('beta', 200, 30);
    await until(async () => (await seen()) === 55, 'the counts in the storage', 30_000);
  }, 90_000);
  afterAll(() => chain?.stop());

  interface Answer {
    metric: Record<string, string>;
    value: [number, string];
  }

  /** Of alpha, through the gateway. */
  async function ask(query: string, time: number): Promise<Answer[]> {
    const response = await fetch(`${chain.gateway}/prometheus/alpha/api/v1/query`, {
      method: 'POST',
      headers: { authorization: chain.tokens.alpha },
      body: new URLSearchParams({ query, time: String(time), nocache: '1' }),
    });
    const { data } = (await response.json()) as { data: { result: Answer[] } };
    return data?.result ?? [];
  }

  const one = async (query: string, time: number) => {
    const [found] = await ask(query, time);
    return found === undefined || Number.isNaN(Number(found.value[1])) ? null : Number(found.value[1]);
  };

  async function opened(): Promise<Visit> {
    const seen = await visit(`${chain.gateway}/`);
    await signIn(seen, 'alpha', chain.tokens.alpha);
    await current(seen);
    return seen;
  }

  test('what it shows is what the query API says', async () => {
    const seen = await opened();
    const responses = 'rate(fly_edge_http_responses_count[30s])';
    const queries = {
      requests: `sum(${responses})`,
      errors: `sum(rate(fly_edge_http_responses_count{status=~"5.."}[30s])) / sum(${responses})`,
      p99: 'histogram_quantile(0.99, sum by (le) (increase_pure(fly_edge_http_response_time_seconds_bucket[30s])))',
      open: 'sum(fly_edge_tcp_connects_count) - sum(fly_edge_tcp_disconnects_count)',
    };
    // So that there are numbers in this half minute.
    await chain.traffic('alpha', 200, 20);
    await chain.traffic('alpha', 503, 5);
    await until(
      async () => {
        const { time, values } = await seen.headlines();
        const theirs = await Promise.all(Object.values(queries).map((query) => one(query, time)));
        const ours = Object.keys(queries).map((id) => values[id]!);
        const same = theirs.every((value, i) => Math.abs(value! - ours[i]!) <= 1e-9 * Math.abs(value!));
        return ours.every((value) => value !== null) && ours[0]! > 0 && ours[1]! > 0 && same;
      },
      'the numbers at the top to be those of the API',
      40_000,
    );
    await until(
      async () => {
        const { time, rows } = await seen.values('responses');
        const found = await ask(`sum by (status) (${responses})`, time);
        const of = (digit: string) =>
          found
            .filter(({ metric }) => metric.status!.startsWith(digit))
            .reduce((all, { value }) => all + Number(value[1]), 0);
        const pairs = ['2xx success', '4xx client error', '5xx server error'].map((label) => [
          rows[label]?.[0] ?? -1,
          of(label[0]!),
        ]);
        return pairs.every(([ours, theirs]) => Math.abs(ours! - theirs!) <= 1e-9) && pairs[0]![0]! > 0;
      },
      'the table behind the chart to be what the API says',
      40_000,
    );
    const query = await seen.page.locator('#values-responses code').textContent();
    expect(query).toBe('sum by (status) (rate(fly_edge_http_responses_count[30s]))');
    await expectClean(seen);
  });

  test('the token is asked for once, and kept for this tab alone', async () => {
    const seen = await visit(`${chain.gateway}/`);
    await signIn(seen, 'alpha', 'FlyV1 fm2_nothing');
    await seen.page.getByRole('alert').filter({ hasText: '401' }).waitFor();
    expect(await seen.page.getByLabel('Organization').inputValue()).toBe('alpha');
    // Of another organization.
    await signIn(seen, 'alpha', chain.tokens.beta);
    await seen.page.getByRole('alert').filter({ hasText: '403' }).waitFor();
    await signIn(seen, 'alpha', chain.tokens.alpha);
    await current(seen);
    await seen.page.reload();
    await current(seen);
    expect(await seen.page.getByLabel('Token').count()).toBe(0);
    const secret = chain.tokens.alpha.split(' ')[1]!;
    expect(seen.requests.filter((url) => url.includes('fm2_') || url.includes(encodeURIComponent(secret)))).toEqual([]);
    expect(seen.page.url()).not.toContain('fm2_');
    expect(await seen.page.evaluate('JSON.stringify(sessionStorage)')).toContain(secret);
    expect(await seen.page.evaluate('JSON.stringify(localStorage)')).not.toContain('fm2_');
    expect(await seen.page.context().cookies()).toEqual([]);
    // The console says that 401 and 403 were answered; nothing else went wrong.
    expect(seen.problems.filter((text) => !/40[13]/.test(text))).toEqual([]);
    const other = await visitIn(seen.browser, `${chain.gateway}/`);
    expect(await other.page.getByLabel('Token').count()).toBe(1);
    await seen.page.getByRole('button', { name: 'Forget token' }).click();
    await seen.page.getByLabel('Token').waitFor();
    expect(await seen.page.evaluate('sessionStorage.length')).toBe(0);
  });

  test('each organization sees its own apps', async () => {
    const seen = await opened();
    const apps = () => seen.page.getByLabel('App').locator('option').allTextContents();
    await until(async () => (await apps()).includes('shop'), 'the apps');
    expect(await apps()).toEqual(['all apps', 'shop']);
    await expectClean(seen);
  });

  test('a browser whose clock is an hour wrong shows the same', async () => {
    const seen = await opened();
    await seen.page.addInitScript('const { now } = Date; Date.now = () => now() - 3_600_000;');
    await seen.page.reload();
    await current(seen);
    const { time, values } = await seen.headlines();
    expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(60);
    expect(values.open).toBe(await one('sum(fly_edge_tcp_connects_count) - sum(fly_edge_tcp_disconnects_count)', time));
    await expectClean(seen);
  });

  test('what it asks for is accounted for, the page itself as nobody’s', async () => {
    const page = async () => parseExposition(await (await fetch(`${chain.own}/metrics`)).text());
    const before = await page();
    const seen = await opened();
    await expectClean(seen);
    const after = await page();
    const grown = (filter: Record<string, string>) =>
      sum(after, 'fly_gateway_requests_count', filter) - sum(before, 'fly_gateway_requests_count', filter);
    const files = seen.requests.filter((url) => !url.includes('/prometheus/'));
    // The browser may have one of them twice, from its own memory.
    expect(grown({ org: '', status: '200' })).toBeGreaterThanOrEqual(new Set(files).size);
    expect(grown({ org: '', status: '200' })).toBeLessThanOrEqual(files.length);
    expect(grown({ org: 'alpha', status: '200' })).toBeGreaterThan(5);
    expect(grown({ org: 'beta' })).toBe(0);
  });
});
