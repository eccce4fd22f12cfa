import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Log } from '../../src/log/log.ts';
import type { LogicalVolume, LvsFault, LvsReport, LvsRun } from '../../src/volumes/lvs.ts';
import { Volumes } from '../../src/volumes/volumes.ts';
import { parseExposition, select, sum } from '../helpers/exposition.ts';

const mib = 2 ** 20;
const a = { id: 'vol_a', app: 'shop', lv: 'vg0/a' };
const b = { id: 'vol_b', app: 'blog', lv: 'vg0/b' };
const whole: Record<string, LogicalVolume> = {
  'vg0/a': { size: 10 * mib, used: 12.5 },
  'vg0/b': { size: 20 * mib, used: null },
  'vg0/other': { size: mib, used: 1 },
};
const failed: LvsFault = { reason: 'failed', detail: '5: no' };

/** `lvs` and the clock are the test's: each run waits for `answer`, and then for `leave`. */
class World {
  volumes = [a, b];
  time = 0;
  readonly lines: string[] = [];
  readonly runs: { answer: (report: LvsReport) => void; leave: () => void; killed: boolean }[] = [];
  readonly #volumes: Volumes;

  constructor() {
    const line = (level: string) => (values: Record<string, unknown>, text: string) =>
      this.lines.push([level, text, values.detail].filter((part) => part !== undefined).join(': '));
    this.#volumes = new Volumes({
      log: { warn: line('warn'), info: line('info') } as unknown as Log,
      machine: { region: 'lab', host: '2bc3' },
      volumes: () => this.volumes,
      now: () => this.time,
      run: () => this.#run(),
    });
  }

  #run(): LvsRun {
    const report = Promise.withResolvers<LvsReport>();
    const ended = Promise.withResolvers<void>();
    const run = { answer: report.resolve, leave: ended.resolve, killed: false };
    this.runs.push(run);
    return { report: report.promise, ended: ended.promise, kill: () => void (run.killed = true) };
  }

  text(apps?: string[], unowned = false): Promise<string> {
    return this.#volumes.page(apps === undefined ? undefined : { apps: new Set(apps), unowned });
  }

  /** A page for which LVM is asked anew, and answers. */
  async asked(rows: Record<string, LogicalVolume | null>, fault: LvsFault | null = null) {
    this.time += 10_000;
    const before = this.runs.length;
    const text = this.text();
    expect(this.runs.length).toBe(before + 1);
    this.answer(rows, fault);
    return parseExposition(await text);
  }

  answer(rows: Record<string, LogicalVolume | null>, fault: LvsFault | null = null): void {
    const run = this.runs.at(-1)!;
    run.answer({ volumes: new Map(Object.entries(rows)), fault });
    run.leave();
  }

  close(): void {
    this.#volumes.close();
  }
}

const errors = (page: Awaited<ReturnType<World['asked']>>) =>
  Object.fromEntries(page.get('fly_volume_error_count')!.map(({ labels, value }) => [labels.reason, value]));
const none = { missing: 0, failed: 0, timeout: 0, unreadable: 0, absent: 0 };

test('sizes and use, and errors that are born at 0', async () => {
  const world = new World();
  const text = world.text();
  world.answer(whole);
  expect((await text).split('\n').filter((line) => !line.startsWith('# HELP'))).toEqual([
    '# TYPE fly_volume_size_bytes gauge',
    'fly_volume_size_bytes{app="shop",region="lab",host="2bc3",id="vol_a"} 10485760',
    'fly_volume_size_bytes{app="blog",region="lab",host="2bc3",id="vol_b"} 20971520',
    '# TYPE fly_volume_used_pct gauge',
    'fly_volume_used_pct{app="shop",region="lab",host="2bc3",id="vol_a"} 12.5',
    '# TYPE fly_volume_error_count counter',
    ...Object.keys(none).map((reason) => `fly_volume_error_count{region="lab",host="2bc3",reason="${reason}"} 0`),
    '',
  ]);
  expect(world.lines).toEqual([]);
});

test('without volumes LVM is never asked, and nothing is on the page', async () => {
  const world = new World();
  world.volumes = [];
  expect(await world.text()).toBe('');
  expect(world.runs).toEqual([]);
});

test("an organization's page has its apps' volumes alone, the operator's the errors too", async () => {
  const world = new World();
  await world.asked(whole);
  const blog = parseExposition(await world.text(['blog']));
  expect([...blog.keys()]).toEqual(['fly_volume_size_bytes']);
  expect(blog.get('fly_volume_size_bytes')!.map(({ labels }) => labels.id)).toEqual(['vol_b']);
  const operator = parseExposition(await world.text(['shop'], true));
  expect([...operator.keys()]).toEqual(['fly_volume_size_bytes', 'fly_volume_used_pct', 'fly_volume_error_count']);
  expect(await world.text([])).toBe('');
});

test('labels are escaped', async () => {
  const world = new World();
  world.volumes = [{ id: 'a"\\\n', app: 'shop', lv: 'vg0/a' }];
  const page = await world.asked(whole);
  expect(page.get('fly_volume_size_bytes')![0]!.labels.id).toBe('a"\\\n');
});

test('scrapes at once and soon after share one answer', async () => {
  const world = new World();
  const pages = [world.text(), world.text(['shop']), world.text(['blog'])];
  world.answer(whole);
  for (const page of pages) expect(await page).toContain('fly_volume_size_bytes{');
  world.time += 9_999;
  await world.text();
  expect(world.runs).toHaveLength(1);
  world.time += 1;
  const next = world.text();
  expect(world.runs).toHaveLength(2);
  world.answer(whole);
  await next;
});

test('a slow answer is on the next page; the one before goes on without', async () => {
  const world = new World();
  const first = parseExposition(await world.text());
  expect([...first.keys()]).toEqual(['fly_volume_error_count']);
  world.answer(whole);
  expect(sum(parseExposition(await world.text()), 'fly_volume_size_bytes')).toBe(30 * mib);
  expect(world.runs).toHaveLength(1);
});

test('as long as one runs there is no second, even when it has been given up', async () => {
  const world = new World();
  const first = world.text();
  world.runs[0]!.answer({ volumes: new Map(), fault: { reason: 'timeout', detail: 'late' } });
  await first;
  world.time += 100_000;
  await world.text();
  expect(world.runs).toHaveLength(1);
  world.runs[0]!.leave();
  await setImmediate();
  expect(sum(await world.asked(whole), 'fly_volume_size_bytes')).toBe(30 * mib);
});

test('last known values are shown for five minutes, and no longer', async () => {
  const world = new World();
  await world.asked(whole);
  const known = world.time;
  let page = await world.asked({}, failed);
  expect(sum(page, 'fly_volume_size_bytes')).toBe(30 * mib);
  world.time = known + 290_000;
  page = await world.asked({}, failed);
  expect(sum(page, 'fly_volume_used_pct')).toBe(12.5);
  page = await world.asked({}, failed);
  expect([...page.keys()]).toEqual(['fly_volume_error_count']);
  expect(errors(page)).toEqual({ ...none, failed: 3 });
  page = await world.asked(whole);
  expect(sum(page, 'fly_volume_size_bytes')).toBe(30 * mib);
});

test('what a failing lvs did list is new', async () => {
  const world = new World();
  await world.asked(whole);
  const page = await world.asked({ 'vg0/a': { size: 11 * mib, used: 50 } }, failed);
  expect(select(page, 'fly_volume_size_bytes', { id: 'vol_a' })[0]!.value).toBe(11 * mib);
  expect(select(page, 'fly_volume_size_bytes', { id: 'vol_b' })[0]!.value).toBe(20 * mib);
});

test('a volume that LVM does not list is gone at once', async () => {
  const world = new World();
  await world.asked(whole);
  const page = await world.asked({ 'vg0/b': { size: mib, used: 3 } });
  expect(page.get('fly_volume_size_bytes')!.map(({ labels }) => labels.id)).toEqual(['vol_b']);
  expect(errors(page)).toEqual({ ...none, absent: 1 });
});

test('each trouble is logged when it comes and when it goes, and counted each time', async () => {
  const world = new World();
  const timeout: LvsFault = { reason: 'timeout', detail: 'late' };
  await world.asked({}, failed);
  await world.asked({}, failed);
  await world.asked({}, timeout);
  await world.asked({ 'vg0/a': { size: 1, used: 1 } });
  await world.asked({ 'vg0/a': { size: 1, used: 1 } });
  await world.asked({}, timeout);
  await world.asked({ 'vg0/a': { size: 1, used: 1 } });
  const page = await world.asked(whole);
  expect(world.lines).toEqual([
    'warn: volumes: lvs failed: 5: no',
    'warn: volumes: lvs timeout: late',
    'info: volumes: no longer: lvs failed',
    'warn: volumes: no logical volume vg0/b',
    'info: volumes: no longer: lvs timeout',
    'warn: volumes: lvs timeout: late',
    'info: volumes: no longer: lvs timeout',
    'info: volumes: no longer: no logical volume vg0/b',
  ]);
  expect(errors(page)).toEqual({ ...none, failed: 2, timeout: 2, absent: 3 });
});

test('the volumes are those of the plan that serves now', async () => {
  const world = new World();
  await world.asked(whole);
  world.volumes = [{ id: 'vol_new', app: 'shop', lv: 'vg0/other' }];
  const page = parseExposition(await world.text());
  expect(page.get('fly_volume_size_bytes')!.map(({ labels }) => labels.id)).toEqual(['vol_new']);
  world.volumes = [];
  expect(await world.text()).toBe('');
});

test('one that runs is killed at the end', async () => {
  const world = new World();
  const page = world.text();
  world.close();
  expect(world.runs[0]!.killed).toBe(true);
  world.answer({}, failed);
  await page;
});

test('a volume that is listed twice is shown no more, though it was known before', async () => {
  const world = new World();
  expect((await world.asked(whole)).get('fly_volume_size_bytes')).toHaveLength(2);
  const fault = { reason: 'unreadable', detail: 'vg0/a is listed twice' } as const;
  const page = await world.asked({ ...whole, [a.lv]: null }, fault);
  expect(page.get('fly_volume_size_bytes')!.map(({ labels }) => labels.id)).toEqual([b.id]);
});
