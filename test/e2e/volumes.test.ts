/** The volumes of edge.toml on the supervisor's page, by whatever `lvs` is first in its PATH. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AppOptions, Edge } from '../helpers/edge.ts';
import { type Page, parseExposition, select } from '../helpers/exposition.ts';
import { until } from '../helpers/until.ts';
import { FakeLvs } from '../volumes/fake-lvs.ts';
import { Disk, inactiveGroup, missingLvm } from '../volumes/lvm.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const organizations = { alpha: 1, beta: 2 };
const apps: AppOptions[] = [
  { name: 'shop', org: 'alpha', instances: [{ id: 'aa01', port: 9 }] },
  { name: 'blog', org: 'beta', instances: [{ id: 'bb01', port: 9 }] },
];
const volume = (id: string, app: string, lv: string) => `[[volumes]]\nid = "${id}"\napp = "${app}"\nlv = "${lv}"\n`;
const listed = (lv: string, size: number, percent: string) => {
  const [vg_name, lv_name] = lv.split('/');
  const rows = [{ vg_name, lv_name, lv_size: String(size), data_percent: percent }];
  return `echo '${JSON.stringify({ report: [{ lv: rows }] })}'`;
};

let lvs: FakeLvs;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  lvs = new FakeLvs('exit 1');
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  lvs.remove();
});

async function start(...volumes: string[]): Promise<Edge> {
  const under = ['env', `PATH=${lvs.searchPath}`];
  const edge = await Edge.start({ organizations, apps, under, more: volumes.join('') });
  ends.push(() => edge.stop());
  return edge;
}

async function page(edge: Edge, org?: string): Promise<Page> {
  const response = await fetch(`${edge.metricsUrl}/metrics${org === undefined ? '' : `?org=${org}`}`);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('fly_volume_'));
  return parseExposition(lines.map((line) => `${line}\n`).join(''));
}

/** The first page may come before `lvs` has answered. */
const sized = (edge: Edge) =>
  until(async () => {
    const now = await page(edge);
    return now.has('fly_volume_size_bytes') && now;
  }, 'a volume on the page');

const found = ({ labels, value }: { labels: Record<string, string>; value: number }) => [labels.id, labels.app, value];

test("each organization's page has its own volumes, and a restart brings others", async () => {
  lvs.write(listed('vg0/lv1', 1_073_741_824, '12.50'));
  const edge = await start(volume('vol_a', 'shop', 'vg0/lv1'));
  const whole = await sized(edge);
  expect(whole.get('fly_volume_size_bytes')).toEqual([
    { labels: { app: 'shop', region: 'lab', host: '2bc3', id: 'vol_a' }, value: 1_073_741_824 },
  ]);
  expect(whole.get('fly_volume_used_pct')!.map(found)).toEqual([['vol_a', 'shop', 12.5]]);
  expect(whole.get('fly_volume_error_count')!.map(({ value }) => value)).toEqual([0, 0, 0, 0, 0]);
  expect([...(await page(edge, 'alpha')).keys()]).toEqual(['fly_volume_size_bytes', 'fly_volume_used_pct']);
  expect((await page(edge, 'beta')).size).toBe(0);

  await edge.reconfigure({ more: volume('vol_b', 'blog', 'vg0/lv1') });
  expect((await page(edge)).get('fly_volume_size_bytes')!.map(found)).toEqual([['vol_b', 'blog', 1_073_741_824]]);
  expect((await page(edge, 'alpha')).size).toBe(0);
  expect((await page(edge, 'beta')).get('fly_volume_used_pct')!.map(found)).toEqual([['vol_b', 'blog', 12.5]]);
});

test('while lvs hangs the scrape goes on, and it is killed at its timeout', async () => {
  lvs.write('echo $$ >"$STATE"; exec sleep 1000');
  const edge = await start(volume('vol_a', 'shop', 'vg0/lv1'));
  const first = await page(edge);
  expect(first.has('fly_volume_size_bytes')).toBe(false);
  expect(select(first, 'fly_volume_error_count', { reason: 'timeout' })[0]!.value).toBe(0);
  await lvs.gone();
  await until(
    async () => select(await page(edge), 'fly_volume_error_count', { reason: 'timeout' })[0]!.value === 1,
    'the timeout is counted',
  );
  const logged = edge.log.filter(({ msg }) => String(msg).startsWith('volumes:'));
  expect(logged).toMatchObject([{ level: 'warn', reason: 'timeout', msg: 'volumes: lvs timeout' }]);
});

test('without volumes lvs is never started', async () => {
  lvs.write('echo started >>"$STATE"');
  const edge = await start();
  expect((await page(edge)).size).toBe(0);
  await page(edge, 'alpha');
  expect(lvs.state).toBe('');
});

test('an lvs that is killed with the edge leaves nothing behind', async () => {
  lvs.write('echo $$ >"$STATE"; exec sleep 1000');
  const edge = await start(volume('vol_a', 'shop', 'vg0/lv1'));
  await page(edge);
  ends.length = 0;
  await edge.stop();
  await lvs.gone();
});

const why = missingLvm();
if (why !== null) console.warn(`no page with real LVM is tested: ${why}`);

test.skipIf(why !== null)('real lvs, on a group of its own', async () => {
  const disk = new Disk(64 * 2 ** 20);
  ends.push(() => disk.remove());
  lvs.write(inactiveGroup(disk, `fly${process.pid}`));
  const edge = await start(
    volume('vol_thin', 'shop', `fly${process.pid}/lv1`),
    volume('vol_gone', 'blog', `fly${process.pid}/lv2`),
  );
  const whole = await sized(edge);
  expect(whole.get('fly_volume_size_bytes')!.map(found)).toEqual([['vol_thin', 'shop', 100 * 2 ** 20]]);
  expect(whole.has('fly_volume_used_pct')).toBe(false);
  expect(select(whole, 'fly_volume_error_count', { reason: 'absent' })[0]!.value).toBe(1);
});
