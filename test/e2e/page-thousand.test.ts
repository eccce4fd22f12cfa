/** The live page before an edge with a thousand instances: it must stay as small as before one with ten. */

import { describe, expect, test } from 'vitest';
import { chromiumInstalled, expectClean, type Visit, visit } from '../helpers/browser.ts';
import { busyStore, listener } from '../helpers/made-up-edge.ts';
import { until } from '../helpers/until.ts';
import { storeAt } from '../metrics/helpers.ts';

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
    const [few, many] = [await listener(busyStore(30)), await listener(busyStore(1000))];
    expect((await (await fetch(`${many.url}metrics`)).text()).split('\n').length).toBeGreaterThan(40_000);
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
    const { url } = await listener(busyStore(1000));
    const seen = await settled(url);
    await seen.page.getByLabel('Instances with').fill('012');
    const shown = async () => Object.keys((await seen.values('concurrency')).rows);
    await until(async () => (await shown()).every((id) => id.includes('012') || id === 'all others'), 'the filter');
    expect((await seen.values('concurrency')).rows['all others']![0]).toBe(12 + 120 + 121);
    await expectClean(seen);
  });

  test('never hold up the page: it reads in pieces', async () => {
    const { url } = await listener(busyStore(1000));
    const seen = await settled(url);
    // Against what it takes this browser, on this machine, to cut the same page into its parts in one go.
    const { longest, reference } = await seen.page.evaluate<{ longest: number; reference: number }>(`(async () => {
      const { text } = book.scrapes.at(-1);
      const begun = performance.now();
      const parts = text.split('\\n').map((line) => line.split(/[{},= "]+/));
      const reference = performance.now() - begun + (parts.length === 0 ? 1 : 0);
      const tasks = [];
      const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
      observer.observe({ type: 'longtask' });
      const first = book.scrapes.length;
      while (book.scrapes.length < first + 3) await new Promise((resolve) => setTimeout(resolve, 50));
      observer.disconnect();
      return { longest: Math.max(0, ...tasks), reference };
    })()`);
    expect(reference).toBeGreaterThan(0);
    expect(longest).toBeLessThan(2 * reference);
  });

  test('an organization that there is not is said to be none', async () => {
    const { url } = await listener(busyStore(1));
    const { page } = await visit(`${url}?org=nobody`);
    await page.waitForSelector('body[data-state=stale]');
    expect(await page.getByRole('alert').textContent()).toContain('404 unknown organization. Nothing came yet.');
  });

  test('an edge that comes back is read on, and its counters from 0 are no negative rates', async () => {
    const first = await listener(busyStore(20));
    const seen = await settled(first.url);
    first.close();
    await seen.page.waitForSelector('body[data-state=stale]');
    const line = 'fly_edge_http_responses_count{app="shop",region="iad",proxy_id="blue",status="200"} 5\n';
    await listener(storeAt().store, () => line, first.port);
    await seen.page.waitForSelector('body[data-state=current]');
    const lowest = (await seen.values('responses')).rows['2xx done']![1]!;
    expect(lowest).toBe(0);
    expect((await seen.headlines()).values.requests).toBeGreaterThan(0);
  });
});
