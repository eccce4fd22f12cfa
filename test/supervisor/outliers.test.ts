import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defaultLimits } from '../../src/config/limits.ts';
import type { Limits, Plan } from '../../src/config/plan.ts';
import type { Ejections } from '../../src/ipc/messages.ts';
import type { Log } from '../../src/log/log.ts';
import { Outliers } from '../../src/supervisor/outliers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const limits: Limits = {
  ...defaultLimits(),
  ejectFailures: 5,
  ejectPause: 1_000,
  ejectPauseMost: 4_000,
  ejectShare: 50,
};

/** One app with one service. */
function planOf(instances: string[], more: Partial<Limits> = {}, port = 1): Plan {
  const upstreams = instances.map((instance) => ({ key: instance, instance, host: '10.0.0.1', port }));
  return { limits: { ...limits, ...more }, apps: [{ name: 'shop', services: [{ upstreams }] }] } as unknown as Plan;
}

const at = (port: number) => `10.0.0.1:${port}`;

function made(plan: Plan) {
  const told: Ejections = [];
  const log = { warn() {}, info() {} } as unknown as Log;
  const outliers = new Outliers(log, (upstreams) => void told.push(...upstreams));
  outliers.plan(plan);
  /** As a worker tells them, one after the other. */
  const fail = (key: string, times: number, worker = 1) => {
    for (let failures = 1; failures <= times; failures++) outliers.report(worker, key, at(1), failures);
  };
  const succeed = (key: string, worker = 1) => outliers.report(worker, key, at(1), 0);
  return { outliers, told, fail, succeed };
}

test('five failures in a row eject, four do not, and a success begins anew', () => {
  const { outliers, fail, succeed, told } = made(planOf(['a', 'b']));
  fail('a', 4);
  succeed('a');
  fail('a', 4);
  expect(outliers.state('a')).toBe('in');
  outliers.report(1, 'a', at(1), 5);
  expect(outliers.state('a')).toBe('out');
  expect(told).toEqual([['a', at(1), 'out']]);
});

test('failures count over workers, and those of long ago do not', () => {
  const { outliers, fail } = made(planOf(['a', 'b']));
  fail('a', 3, 1);
  vi.advanceTimersByTime(60_000);
  fail('a', 3, 2);
  expect(outliers.state('a')).toBe('in');
  fail('a', 2, 3);
  expect(outliers.state('a')).toBe('out');
});

test('each pause is twice as long, up to the most, and after a time without failures it is short again', () => {
  const { outliers, fail, succeed } = made(planOf(['a', 'b']));
  fail('a', 5);
  for (const pause of [1_000, 2_000, 4_000, 4_000]) {
    expect(outliers.pauseLeft('a')).toBe(pause);
    vi.advanceTimersByTime(pause - 1);
    expect(outliers.state('a')).toBe('out');
    vi.advanceTimersByTime(1);
    expect(outliers.state('a')).toBe('trial');
    if (pause === 4_000 && outliers.found[0]!.pauses === 4) break;
    fail('a', 1);
  }
  succeed('a');
  expect(outliers.state('a')).toBe('in');
  vi.advanceTimersByTime(4_001);
  fail('a', 5);
  expect(outliers.pauseLeft('a')).toBe(1_000);
});

test('who has just come back is ejected by one failure', () => {
  const { outliers, fail, succeed } = made(planOf(['a', 'b']));
  fail('a', 5);
  vi.advanceTimersByTime(1_000);
  succeed('a');
  fail('a', 1);
  expect(outliers.state('a')).toBe('out');
  expect(outliers.pauseLeft('a')).toBe(2_000);
});

test.each([
  [1, 50, 0],
  [2, 50, 1],
  [3, 50, 1],
  [4, 50, 2],
  [5, 100, 4],
  [3, 1, 1],
])('of %i that all fail, at a share of %i percent, %i are out', (count, ejectShare, out) => {
  const names = Array.from({ length: count }, (_, i) => `i${i}`);
  const { outliers, fail } = made(planOf(names, { ejectShare }));
  for (const name of names) fail(name, 50);
  expect(names.filter((name) => outliers.state(name) !== 'in').length).toBe(out);
});

test('the last one that its checks find healthy is not ejected, and comes back when it is the last', () => {
  const { outliers, fail } = made(planOf(['a', 'b', 'c']));
  const ill = new Set(['b', 'c']);
  outliers.checked = (key) => !ill.has(key);
  fail('a', 20);
  expect(outliers.state('a')).toBe('in');
  ill.delete('b');
  fail('a', 5);
  expect(outliers.state('a')).toBe('out');
  ill.add('b');
  outliers.reconsider();
  expect(outliers.state('a')).toBe('in');
});

test('a flip keeps what is out, unless the instance is another one, gone, or nobody is to be ejected', () => {
  const plan = planOf(['a', 'b']);
  const { outliers, fail } = made(plan);
  fail('a', 5);
  outliers.plan(planOf(['a', 'b', 'c']));
  expect(outliers.state('a')).toBe('out');
  outliers.plan(planOf(['a', 'b'], {}, 2));
  expect(outliers.state('a')).toBe('in');
  outliers.plan(plan);
  fail('a', 5);
  outliers.plan(planOf(['b']));
  outliers.plan(plan);
  expect(outliers.state('a')).toBe('in');
  fail('a', 5);
  outliers.plan(planOf(['a', 'b'], { ejectFailures: 0 }));
  expect(outliers.state('a')).toBe('in');
  fail('a', 50);
  expect(outliers.state('a')).toBe('in');
  expect(vi.getTimerCount()).toBe(0);
});

test('a supervisor that takes over goes on where the one before was', () => {
  const { outliers: old, fail } = made(planOf(['a', 'b', 'c', 'd']));
  fail('b', 5);
  vi.advanceTimersByTime(1_000);
  fail('a', 5);
  fail('c', 4);
  vi.advanceTimersByTime(400);
  const { found } = old;
  old.close();
  const { outliers, told, fail: failHere } = made({ ...planOf([]), apps: [] });
  outliers.inherit(structuredClone(found));
  outliers.plan(planOf(['a', 'b', 'c', 'd']));
  expect(['a', 'b', 'c', 'd'].map((key) => outliers.state(key))).toEqual(['out', 'trial', 'in', 'in']);
  expect(told).toEqual(
    expect.arrayContaining([
      ['a', at(1), 'out'],
      ['b', at(1), 'trial'],
    ]),
  );
  expect(outliers.pauseLeft('a')).toBe(600);
  failHere('b', 1);
  expect(outliers.pauseLeft('b')).toBe(2_000);
  vi.advanceTimersByTime(600);
  expect(outliers.state('a')).toBe('trial');
  outliers.close();
});
