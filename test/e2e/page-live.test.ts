/** The page of the metrics listener in a real browser, in front of a real edge. */

import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { chromiumInstalled, current, expectClean, type Visit, visit } from '../helpers/browser.ts';
import { Edge, service } from '../helpers/edge.ts';
import { type Page, parseExposition, sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { load } from '../helpers/keep-alive-load.ts';
import { until } from '../helpers/until.ts';

describe.skipIf(!chromiumInstalled())('the live page', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** Answers `/STATUS`, and `/held` when it is let go. */
  async function start() {
    const held: (() => void)[] = [];
    const instance = await HttpInstance.start((request, response) => {
      if (request.url === '/held') return void held.push(() => response.end('held\n'));
      response.statusCode = Number(request.url!.slice(1)) || 200;
      response.end('hello\n');
    });
    closers.push(() => instance.stop());
    const edge = await Edge.start({
      apps: [
        { name: 'shop', fly: service({ soft: 20, hard: 25 }), instances: [{ id: 'aa01', port: instance.port }] },
        { name: 'blog', fly: service({ soft: 30 }), instances: [{ id: 'bb01', port: instance.port }] },
      ],
    });
    let running = true;
    const stop = async () => {
      if (running) await edge.stop();
      running = false;
    };
    closers.push(stop);
    const release = () => {
      for (const answer of held.splice(0)) answer();
    };
    return { edge, held, stop, release };
  }

  /** From the scrapes that the page got: what it must say at a time of its own. */
  async function expected(seen: Visit, time: number) {
    const all = await seen.scrapes();
    const at = all.findIndex((scrape) => Math.abs(scrape.time - time) < 0.2);
    const from = all.findIndex((scrape) => all[at]!.time - scrape.time <= 10.2);
    const [before, after] = [parseExposition(all[from]!.text), parseExposition(all[at]!.text)];
    const grown = (name: string, filter = {}) => sum(after, name, filter) - sum(before, name, filter);
    return { after, grown, seconds: all[at]!.time - all[from]!.time };
  }

  const open = (page: Page) => sum(page, 'fly_edge_tcp_connects_count') - sum(page, 'fly_edge_tcp_disconnects_count');

  test('what it shows is what the edge’s pages say', async () => {
    const { edge } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    const traffic = load(edge.port(), 3, { host: 'shop.test' });
    await until(async () => ((await seen.headlines()).values.requests ?? 0) > 0, 'requests on the page', 20_000);
    const { time, values } = await seen.headlines();
    await until(async () => (await seen.scrapes()).some((scrape) => Math.abs(scrape.time - time) < 0.2));
    const { after, grown, seconds } = await expected(seen, time);
    expect(values.requests).toBeGreaterThan(0);
    expect(values.requests! / (grown('fly_edge_http_responses_count') / seconds)).toBeCloseTo(1, 1);
    expect(values.errors).toBe(0);
    expect(values.open).toBe(open(after));
    const table = await seen.values('responses');
    const { grown: grownThen, seconds: secondsThen } = await expected(seen, table.time);
    expect(Object.keys(table.rows)).toEqual(['2xx success', '3xx redirect', '4xx client error', '5xx server error']);
    expect(
      table.rows['2xx success']![0]! / (grownThen('fly_edge_http_responses_count', { status: '200' }) / secondsThen),
    ).toBeCloseTo(1, 1);
    expect(table.rows['5xx server error']![0]).toBe(0);
    await traffic.stop();
    await expectClean(seen);
  });

  test('instances stand against their limits', async () => {
    const { edge, held, release } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    const asked = Array.from({ length: 22 }, () => httpGet(edge.port(), '/held', 'shop.test'));
    await until(() => held.length === 22, '22 held requests');
    const row = (label: string) => seen.page.locator(`#panel-limits tr[data-label$="${label}"]`);
    await until(async () => (await row('aa01').getAttribute('data-value')) === '22', '22 on the page');
    expect(await row('aa01').textContent()).toContain('soft 20, hard 25: above soft');
    expect(await row('bb01').textContent()).toContain('soft 30, no hard limit');
    release();
    await Promise.all(asked);
    await until(async () => (await row('aa01').getAttribute('data-value')) === '0', 'none on the page');
    await expectClean(seen);
  });

  test('a flip shows as it happens: both slots, and the new generation', async () => {
    const { edge, held, release } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    const slots = async () => (await seen.values('slot-states')).text;
    expect((await slots()).blue!.slice(0, 2)).toEqual(['accepting', '1']);
    // Keeps the first slot draining until it was seen.
    const asked = httpGet(edge.port(), '/held', 'shop.test');
    await until(() => held.length === 1);
    await edge.restart();
    await until(async () => (await slots()).blue![0] === 'draining', 'a slot that drains');
    expect((await slots()).green!.slice(0, 2)).toEqual(['accepting', '2']);
    release();
    await asked;
    await until(async () => (await slots()).blue![0] === 'not there', 'only one slot');
    expect((await slots()).blue![2]).toBe('accepting, then draining, then not there');
    for (let i = 0; i < 30; i++) await httpGet(edge.port(), '/200', 'shop.test');
    const traffic = async () => (await seen.values('slot-traffic')).rows;
    await until(async () => ((await traffic()).green?.[0] ?? 0) > 0, 'traffic through the second slot');
    expect(await seen.page.getAttribute('#panel-slot-states .plot', 'aria-label')).toContain(
      'green accepting, generation 2',
    );
    await expectClean(seen);
  });

  test('one app alone', async () => {
    const { edge } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    for (let i = 0; i < 20; i++) await httpGet(edge.port(), '/404', 'blog.test');
    const share = async () => (await seen.headlines()).values.requests ?? 0;
    await until(async () => (await share()) > 0, 'requests on the page');
    await seen.page.getByLabel('App').selectOption('shop');
    await until(async () => (await share()) === 0, 'the other app’s requests to be gone');
    expect(seen.page.url()).toContain('app=shop');
    await seen.page.reload();
    await current(seen);
    expect(await seen.page.getByLabel('App').inputValue()).toBe('=shop');
    await expectClean(seen);
  });

  test('an edge that is gone shows as such', async () => {
    const { edge, stop } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    const { time } = await seen.headlines();
    await stop();
    await seen.page.waitForSelector('body[data-state=stale]');
    const banner = await seen.page.getByRole('alert').textContent();
    expect(banner).toMatch(
      /^The edge does not answer since \d\d:\d\d:\d\d: .*\. What you see is from \d\d:\d\d:\d\d\. Trying again\.$/,
    );
    expect((await seen.headlines()).time).toBeGreaterThanOrEqual(time);
  });

  test('of an edge that is gone, what is remembered can still be chosen from', async () => {
    const { edge, stop } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    const share = async () => (await seen.headlines()).values.requests;
    for (let i = 0; i < 20; i++) await httpGet(edge.port(), '/404', 'blog.test');
    await until(async () => ((await share()) ?? 0) > 0, 'requests on the page');
    await stop();
    await seen.page.waitForSelector('body[data-state=stale]');
    expect(await share()).toBeGreaterThan(0);
    await seen.page.getByLabel('App').selectOption('shop');
    await until(async () => (await share()) === 0, 'the other app’s requests to be gone');
    expect(await seen.page.getByRole('alert').textContent()).not.toContain('choice before');
    await seen.page.getByLabel('App').selectOption('blog');
    await until(async () => ((await share()) ?? 0) > 0, 'its requests to be there again');
  });

  test('a page that is hidden asks for nothing', async () => {
    const { edge } = await start();
    const seen = await visit(`${edge.metricsUrl}/`);
    await current(seen);
    await seen.page.evaluate(
      `Object.defineProperty(document, 'hidden', { get: () => window.away, configurable: true }); window.away = true`,
    );
    const count = async () => (await seen.scrapes()).length;
    // One may be under way.
    let before = await count();
    await until(async () => {
      const now = await count();
      await seen.page.waitForTimeout(2500);
      const later = await count();
      before = later;
      return now === later;
    }, 'the page to rest');
    await seen.page.evaluate(`window.away = false; document.dispatchEvent(new Event('visibilitychange'))`);
    await until(async () => (await count()) > before, 'the page to go on');
    await expectClean(seen);
  });
});

async function httpGet(port: number, path: string, host: string): Promise<number> {
  const sent = request({ host: '127.0.0.1', port, path, headers: { host }, agent: false }).end();
  const [response] = await once(sent, 'response');
  await response.resume().toArray();
  return response.statusCode;
}
