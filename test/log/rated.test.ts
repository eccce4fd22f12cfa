import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Rated } from '../../src/log/rated.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function rated(rate: number) {
  const told: [string, string, number][] = [];
  const lines = new Rated(rate, (...left) => void told.push(left));
  const written = (times: number, code = 'a', app = 'x') =>
    Array.from({ length: times }, () => lines.allows(code, app)).filter(Boolean).length;
  return { told, lines, written };
}

test('ten seconds worth of lines come at once, then so many a second, and the others are counted', () => {
  const { told, written } = rated(5);
  expect(written(200)).toBe(50);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([['a', 'x', 150]]);
  expect(written(10)).toBe(5);
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([
    ['a', 'x', 150],
    ['a', 'x', 5],
  ]);
  expect(written(200)).toBe(50);
});

test('neither another code nor another app has less for it', () => {
  const { written } = rated(1);
  expect([written(20), written(20, 'b'), written(20, 'a', 'y')]).toEqual([10, 10, 10]);
});

test('many apps together have ten times as much of a code', () => {
  const { told, lines, written } = rated(1);
  const apps = Array.from({ length: 30 }, (_, i) => written(10, 'a', `app ${i}`));
  expect(apps.reduce((sum, n) => sum + n)).toBe(100);
  lines.flush();
  expect(told.reduce((sum, [, , n]) => sum + n, 0)).toBe(200);
});

test('what was left out is told before the end', () => {
  const { told, lines, written } = rated(1);
  written(15);
  lines.flush();
  lines.flush();
  expect(told).toEqual([['a', 'x', 5]]);
});

test('without a rate all are written', () => {
  expect(rated(0).written(1_000)).toBe(1_000);
});
