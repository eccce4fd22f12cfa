/** The live page before an edge with a thousand instances: it must stay as small as before one with ten. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { M } from '../../src/metrics/catalogue.ts';
import { createScrapeServer } from '../../src/metrics/scrape.ts';
import { pageRoute } from '../../src/page/serve.ts';
import { chromiumInstalled, expectClean, type Visit, visit } from '../helpers/browser.ts';
import { until } from '../helpers/until.ts';
import { storeAt, workerOf } from '../metrics/helpers.ts';

/** An edge whose instances have been busy: instance i has i requests in flight. */
async function edgeWith(instances: number): Promise<{ url: string; lines: number; close: () => void }> {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  recorder.add(recorder.series(M.edgeHttpResponses, ['shop', '200']), instances);
  for (let i = 0; i < instances; i++) {
    const labels = ['shop', `i${String(i).padStart(4, '0')}`];
    recorder.set(recorder.series(M.appConcurrency, labels), i);
    recorder.set(recorder.series(M.appSoftLimit, labels), 500);
    recorder.set(recorder.series(M.appHardLimit, labels), 2000);
    for (const status of ['200', '404', '500']) {
      recorder.add(recorder.series(M.appHttpResponses, [...labels, status]), i);
      recorder.observe(recorder.series(M.appHttpResponseTime, [...labels, status]), 0.02);
    }
    recorder.observe(recorder.series(M.appConnectTime, labels), 0.001);
  }
  ship();
  const server: Server = createScrapeServer({
    store,
    scopeOf: () => undefined,
    serving: () => true,
    beforeScrape: async () => {},
    append: async () => '',
    discover: () => [],
    page: pageRoute('live'),
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(close);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const text = await (await fetch(`${url}metrics`)).text();
  return { url, lines: text.split('\n').length, close };
}

/** After some looks at the edge. */
async function settled(url: string): Promise<Visit> {
  const seen = await visit(url);
  await until(async () => (await seen.scrapes()).length >= 4, 'four scrapes', 60_000);
  await seen.page.waitForSelector('body[data-state=current]');
  return seen;
}

const nodes = ({ page }: Visit): Promise<number> => page.evaluate(`document.querySelectorAll('*').length`);

describe.skipIf(!chromiumInstalled())('a thousand instances', () => {
  test('are as many elements and lines as a few dozen, with the busiest ones first', async () => {
    const [few, many] = [await edgeWith(30), await edgeWith(1000)];
    expect(many.lines).toBeGreaterThan(40_000);
    const [small, large] = [await settled(few.url), await settled(many.url)];
    expect((await nodes(large)) / (await nodes(small))).toBeLessThan(1.05);
    expect(await nodes(large)).toBeLessThan(1500);
    const { rows } = await large.values('concurrency');
    expect(Object.keys(rows)).toEqual([
      ...Array.from({ length: 8 }, (_, i) => `i${992 + i}`).map((id) => id.replace(/^i/, 'i0')),
      'all others',
    ]);
    expect(rows.i0999![0]).toBe(999);
    expect(rows['all others']![0]).toBe((991 * 992) / 2);
    const bars = large.page.locator('#panel-limits tbody tr');
    expect(await bars.count()).toBe(21);
    expect(await bars.first().textContent()).toContain('soft 500, hard 2000: above soft');
    await expectClean(large);
  });

  test('can be filtered by a part of their ids', async () => {
    const { url } = await edgeWith(1000);
    const seen = await settled(url);
    await seen.page.getByLabel('Instances with').fill('012');
    const shown = async () => Object.keys((await seen.values('concurrency')).rows);
    await until(async () => (await shown()).every((id) => id.includes('012') || id === 'all others'), 'the filter');
    expect((await seen.values('concurrency')).rows['all others']![0]).toBe(12 + 120 + 121);
    await expectClean(seen);
  });

  test('never hold up the page: it reads in pieces', async () => {
    const { url } = await edgeWith(1000);
    const seen = await settled(url);
    // The longest pause between two turns of the event loop, against all the time that the looks took.
    const { longest, busy } = await seen.page.evaluate<{ longest: number; busy: number }>(`new Promise((resolve) => {
      const tasks = [];
      const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
      observer.observe({ type: 'longtask', buffered: true });
      const begun = book.scrapes.length;
      const watch = setInterval(() => {
        if (book.scrapes.length < begun + 3) return;
        clearInterval(watch);
        observer.disconnect();
        resolve({ longest: Math.max(0, ...tasks.slice(-3)), busy: 3 * 2000 });
      }, 50);
    })`);
    expect(longest / busy).toBeLessThan(0.25);
  });

  test('an edge that comes back is read on, and its counters from 0 are no negative rates', async () => {
    const first = await edgeWith(20);
    const seen = await settled(first.url);
    first.close();
    await seen.page.waitForSelector('body[data-state=stale]');
    const { store } = storeAt();
    const server = createScrapeServer({
      store,
      scopeOf: () => undefined,
      serving: () => true,
      beforeScrape: async () => {},
      append: async () => 'fly_edge_http_responses_count{app="shop",region="iad",proxy_id="blue",status="200"} 5\n',
      discover: () => [],
      page: pageRoute('live'),
    });
    await once(server.listen(Number(new URL(first.url).port), '127.0.0.1'), 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    await seen.page.waitForSelector('body[data-state=current]');
    const lowest = (await seen.values('responses')).rows['2xx done']![1]!;
    expect(lowest).toBe(0);
    expect((await seen.headlines()).values.requests).toBeGreaterThan(0);
  });
});
