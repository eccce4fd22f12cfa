import { afterEach, beforeEach, expect, test } from 'vitest';
import { Pace } from '../../../src/proxy/http1/pace.ts';
import { clock } from '../../../src/proxy/transport/clock.ts';

const rate = 240;
const most = 60_000;
const before = clock.now;
let pace: Pace;
beforeEach(() => {
  clock.now = 5_000_000;
  pace = new Pace();
  pace.begin();
});
afterEach(() => {
  clock.now = before;
});

/** Seconds until it is behind, in steps of one; `bytes` by step. */
function behindAfter(bytes: (second: number) => number, longest = 10_000): number {
  let total = 0;
  for (let second = 1; second <= longest; second++) {
    clock.now += 1000;
    total += bytes(second);
    pace.look(total, true, rate, most);
    if (pace.isBehind(rate)) return second;
  }
  return Number.POSITIVE_INFINITY;
}

test.each([
  ['nothing', () => 0, 1],
  ['a byte a second', () => 1, 1],
  ['just too little', () => rate - 1, 1],
  ['just enough', () => rate, Number.POSITIVE_INFINITY],
  [
    'bursts with pauses that they make up for',
    (second: number) => (second % 20 === 1 ? rate * 20 : 0),
    Number.POSITIVE_INFINITY,
  ],
  ['a megabyte, then nothing', (second: number) => (second === 1 ? 1_000_000 : 0), 62],
  ['a megabyte each two minutes', (second: number) => (second % 120 === 1 ? 1_000_000 : 0), 62],
])('%s is behind, or never', (_what, bytes, expected) => {
  expect(behindAfter(bytes)).toBe(expected);
});

test('time in which somebody else is waited for does not count, what moves in it does', () => {
  clock.now += 1_000_000;
  pace.look(0, false, rate, most);
  expect([pace.waited, pace.isBehind(rate)]).toEqual([0, false]);
  clock.now += 1000;
  pace.look(rate, false, rate, most);
  clock.now += 1000;
  pace.look(rate, true, rate, most);
  expect([pace.waited, pace.isBehind(rate)]).toEqual([1000, false]);
  clock.now += 1000;
  pace.look(rate, true, rate, most);
  expect(pace.isBehind(rate)).toBe(true);
});

test('what passes counts neither way', () => {
  clock.now += 1000;
  pace.pass(1_000_000);
  clock.now += 1000;
  pace.look(1_000_000, true, rate, most);
  expect([pace.waited, pace.isBehind(rate)]).toEqual([1000, true]);
});
