/** The gateway's page in a real browser, on a storage engine that a test fills and ends as it likes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { chromiumInstalled, current, expectClean, signIn, type Visit, visit } from '../helpers/browser.ts';
import { type LoneGateway, startLoneGateway } from '../helpers/lone-gateway.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 120_000 });

const available = chromiumInstalled() && installed('victoriaMetrics');

describe.skipIf(!available)('the page of the gateway', () => {
  /** @param keys lines of `[gateway]`. */
  async function start(keys = ''): Promise<{ storage: Storage; gateway: LoneGateway }> {
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-page-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const storage = await Storage.victoriaMetrics(folder);
    onTestFinished(() => storage.stop());
    const gateway = await startLoneGateway({ storage: storage.url, organizations: ['alpha'], keys });
    onTestFinished(() => gateway.stop());
    return { storage, gateway };
  }

  async function opened({ url, token }: LoneGateway, fragment = ''): Promise<Visit> {
    const seen = await visit(`${url}/${fragment}`);
    await signIn(seen, 'alpha', token);
    await current(seen);
    return seen;
  }

  test('a storage tier that is dead shows as such, since when and of when; the page recovers by itself', async () => {
    const { storage, gateway } = await start('timeout = "1s"');
    const seen = await opened(gateway);
    expect(await seen.page.locator('#banner').isHidden()).toBe(true);
    for (const [die, live, reason] of [
      [() => storage.kill(), () => storage.restart(), /502, the storage tier cannot be reached/],
      [
        () => process.kill(storage.pid, 'SIGSTOP'),
        () => process.kill(storage.pid, 'SIGCONT'),
        /503, the query took too long/,
      ],
    ] as const) {
      die();
      await seen.page.waitForSelector('body[data-state=stale]');
      // A question that the engine's end interrupts is asked again until its time is over: the page may hear of that first.
      const banner = async () => (await seen.page.locator('#banner').textContent())!;
      await until(async () => reason.test(await banner()), `the reason ${reason}`, 30_000);
      expect(await banner()).toMatch(
        /^The storage tier does not answer since \d\d:\d\d:\d\d: .* What you see is from \d\d:\d\d:\d\d\. Trying again\.$/,
      );
      await live();
      await current(seen);
      expect(await seen.page.locator('#banner').isHidden()).toBe(true);
      expect(await seen.page.locator('#said').textContent()).toBe('The storage tier answers again.');
    }
  });

  /** Of every `interval` seconds of the last half hour: ten requests a second, five in flight. */
  async function fill(storage: Storage, interval: number): Promise<void> {
    const now = Date.now() / 1000;
    const labels = 'org="alpha",app="shop",region="lab",host="2bc3"';
    const lines: string[] = [];
    for (let age = 1800; age >= 0; age -= interval) {
      const at = Math.round((now - age) * 1000);
      const count = 50_000 - age * 10;
      lines.push(`fly_edge_http_responses_count{${labels},proxy_id="blue",status="200"} ${count} ${at}\n`);
      lines.push(`fly_edge_tcp_connects_count{${labels},proxy_id="blue"} ${count} ${at}\n`);
      lines.push(`fly_app_concurrency{${labels},instance="aa01"} 5 ${at}\n`);
    }
    await fetch(`${storage.url}/api/v1/import/prometheus`, { method: 'POST', body: lines.join('') });
    await fetch(`${storage.url}/internal/force_flush`);
  }

  test.each([30, 60, 90])('of scrapes every %i s, no line has a gap', async (interval) => {
    const { storage, gateway } = await start();
    // Before there is any sample, too.
    const seen = await opened(gateway, '#span=300');
    await fill(storage, interval);
    for (const span of ['300', '900']) {
      await seen.page.locator('select[name=time]').selectOption(`=${span}`);
      await until(
        async () => Math.abs(((await seen.headlines()).values.requests ?? 0) - 10) < 0.01,
        'the rate',
        40_000,
      );
      const { rows } = await seen.values('responses');
      // Last, lowest, highest.
      for (const value of rows['2xx success']!) expect(value).toBeCloseTo(10, 3);
      expect((await seen.values('concurrency')).rows.aa01).toEqual([5, 5, 5]);
      // The engine of before 1.85.3 widens a window that is too short by itself; later ones leave gaps.
      const query = await seen.page.locator('#values-responses code').textContent();
      expect(query).toBe(`sum by (status) (rate(fly_edge_http_responses_count[${2 * interval}s]))`);
    }
    await expectClean(seen);
  });

  const usual = 'Final responses to clients, the edge’s own included.';
  /** What a panel says below its heading. */
  const help = ({ page }: Visit, panel = 'responses') => page.locator(`#panel-${panel} > .help`).textContent();

  test('a choice that a dead storage tier cannot answer is not what is drawn; it is as soon as the tier is back', async () => {
    const { storage, gateway } = await start();
    await fill(storage, 15);
    const seen = await opened(gateway, '#span=300');
    await until(async () => ((await seen.headlines()).values.requests ?? 0) > 0, 'requests on the page');
    storage.kill();
    await seen.page.waitForSelector('body[data-state=stale]');
    const banner = () => seen.page.locator('#banner').textContent();
    const before = 'all apps, all regions, last 5 min';
    const told = () => Promise.all([banner(), help(seen), help(seen, 'concurrency')]);

    await seen.page.getByLabel('Region').selectOption('lab');
    const [said, ...panels] = await told();
    expect(said).toMatch(
      new RegExp(`What you see is from \\d\\d:\\d\\d:\\d\\d, of the choice before: ${before}\\. Trying again\\.$`),
    );
    expect(panels).toEqual([`Of the choice before: ${before}.`, `Of the choice before: ${before}.`]);
    // What had nothing to show says nothing of the new choice either.
    expect(await seen.page.locator('#panel-volume-used .note').textContent()).toBe('Not asked yet for what is chosen.');
    // Chosen back: that is what is drawn.
    await seen.page.getByLabel('Region').selectOption('all regions');
    expect(await banner()).not.toContain('choice before');
    expect(await help(seen)).toBe(usual);

    // Of a week the page looks once a minute; not while nobody answers.
    await seen.page.locator('select[name=time]').selectOption('last 7 days');
    expect(await banner()).toContain(before);
    await storage.restart();
    await until(async () => (await help(seen)) === usual, 'the week to be drawn', 20_000);
    await current(seen);
    expect(await seen.page.locator('#banner').isHidden()).toBe(true);
  });
});
