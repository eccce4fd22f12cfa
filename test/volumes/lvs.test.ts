import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { parseReport, runLvs } from '../../src/volumes/lvs.ts';
import { FakeLvs } from './fake-lvs.ts';

const fakes: FakeLvs[] = [];
afterEach(() => {
  for (const fake of fakes.splice(0)) fake.remove();
});

function fake(script: string): FakeLvs {
  const made = new FakeLvs(script);
  fakes.push(made);
  return made;
}

const report = (...rows: Record<string, unknown>[]) => JSON.stringify({ report: [{ lv: rows }] });
const row = (name: string, size = '1', percent = '') => {
  const [vg_name, lv_name] = name.split('/');
  return { vg_name, lv_name, lv_size: size, data_percent: percent };
};

test('what real lvs wrote of real thin volumes', () => {
  // By thin-volumes.sh: 25 MiB of lv1's 200 were written, 320 KiB of lv2's 100; the others are not active, or not thin.
  const text = readFileSync(new URL('recorded/lvm2-2.03.16.json', import.meta.url), 'utf8');
  expect(parseReport(text)).toEqual({
    volumes: new Map([
      ['vg0/asleep', { size: 52 * 2 ** 20, used: null }],
      ['vg0/lv1', { size: 200 * 2 ** 20, used: 12.5 }],
      ['vg0/lv1snap', { size: 200 * 2 ** 20, used: null }],
      ['vg0/lv2', { size: 100 * 2 ** 20, used: 0.31 }],
      ['vg0/pool', { size: 64 * 2 ** 20, used: 39.55 }],
      ['vg0/thick', { size: 8 * 2 ** 20, used: null }],
    ]),
    fault: null,
  });
});

test('a machine without volumes', () => {
  expect(parseReport('{"report":[{"lv":[]}]}')).toEqual({ volumes: new Map(), fault: null });
});

test.each([
  '',
  'vg0 lv1 12',
  '{"report":[{"lv":[',
  'null',
  '[]',
  '{"report":{}}',
  '{"report":[null]}',
  '{"report":"lv"}',
])('no report: %s', (text) => {
  expect(parseReport(text)).toEqual({
    volumes: new Map(),
    fault: { reason: 'unreadable', detail: expect.any(String) },
  });
});

test.each([
  ['a size with its unit', row('vg0/bad', '1.00g')],
  ['a negative size', row('vg0/bad', '-1')],
  ['a number where text is', { ...row('vg0/bad'), lv_size: 5 }],
  ['no percent', { ...row('vg0/bad'), data_percent: undefined }],
  ['a percent in words', row('vg0/bad', '1', 'full')],
  ['more than all', row('vg0/bad', '1', '100.01')],
  ['no name', { ...row('vg0/bad'), vg_name: null }],
  ['no row', 'vg0/bad' as never],
])('%s is a fault, and the other rows hold', (_, bad) => {
  const { volumes, fault } = parseReport(report(bad, row('vg0/good', '4096', '100.00')));
  expect(volumes).toEqual(new Map([['vg0/good', { size: 4096, used: 100 }]]));
  expect(fault?.reason).toBe('unreadable');
});

test('a report of something else is a fault, and ends nobody', async () => {
  const lvs = fake(`echo '{"report":[{"vg":[{"vg_name":"vg0"}]}]}'`);
  expect(await lvs.run(() => runLvs()).report).toEqual({
    volumes: new Map(),
    fault: { reason: 'unreadable', detail: 'this is not a report in JSON' },
  });
});

test('of two volumes with one name neither is believed', () => {
  const { volumes, fault } = parseReport(
    report(row('vg0/a', '1'), row('vg0/b', '2'), row('vg0/a', '3'), row('vg0/a', '4')),
  );
  expect([...volumes]).toEqual([
    ['vg0/a', null],
    ['vg0/b', { size: 2, used: null }],
  ]);
  expect(fault).toEqual({ reason: 'unreadable', detail: 'vg0/a is listed twice' });
});

test('lvs is called for bytes in JSON, in the C locale, without the environment of the edge', async () => {
  const lvs = fake('echo "$0 $*" >"$STATE"; env >>"$STATE"; echo \'{"report":[{"lv":[]}]}\'');
  process.env.FLY_SECRET = 'x';
  const { report, ended } = lvs.run(() => runLvs());
  expect(await report).toEqual({ volumes: new Map(), fault: null });
  await ended;
  delete process.env.FLY_SECRET;
  const [call, ...env] = lvs.state.trim().split('\n');
  expect(call).toBe(`${lvs.path} --reportformat json --units b --nosuffix -o vg_name,lv_name,lv_size,data_percent`);
  expect(env).toContain('LC_ALL=C');
  expect(env.filter((line) => line.startsWith('FLY_'))).toEqual([]);
});

test('what it listed before it failed holds', async () => {
  const good = report(row('vg0/a', '7', '1.00'));
  const lvs = fake(`echo '${good}'; echo '  WARNING: hm' >&2; echo '  Volume group "vg1" not found' >&2; exit 5`);
  expect(await lvs.run(() => runLvs()).report).toEqual({
    volumes: new Map([['vg0/a', { size: 7, used: 1 }]]),
    fault: { reason: 'failed', detail: '5: Volume group "vg1" not found' },
  });
});

test('a signal is a failure, and says which', async () => {
  const lvs = fake('kill -SEGV $$');
  expect((await lvs.run(() => runLvs()).report).fault).toEqual({ reason: 'failed', detail: 'SIGSEGV: ' });
});

test('no such program', async () => {
  const run = runLvs(2000, '/nonexistent');
  expect((await run.report).fault?.reason).toBe('missing');
  await run.ended;
});

test('a program that cannot be run', async () => {
  const lvs = fake('');
  lvs.forbid();
  expect((await lvs.run(() => runLvs(2000, lvs.folder)).report).fault?.reason).toBe('failed');
});

test('one that takes too long is killed, with what it has started', async () => {
  const lvs = fake('sleep 1000 & echo $! >"$STATE"; wait');
  const { report, ended } = lvs.run(() => runLvs(300));
  expect((await report).fault).toEqual({ reason: 'timeout', detail: 'no answer within 300 ms' });
  await ended;
  await lvs.gone();
});

test('an endless report is read no further than the limit', async () => {
  const lvs = fake('exec cat /dev/zero');
  const { report, ended } = lvs.run(() => runLvs(60_000));
  expect((await report).fault).toEqual({ reason: 'unreadable', detail: 'more than 4194304 bytes' });
  await ended;
});
