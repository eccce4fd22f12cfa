import { expect, test } from 'vitest';
import { Backoff } from '../../src/base/backoff.ts';

test('the first crash costs no pause, a loop of them ever longer ones', () => {
  const backoff = new Backoff();
  const pauses = Array.from({ length: 12 }, () => backoff.next(50));
  expect(pauses.slice(0, 5)).toEqual([0, 100, 200, 400, 800]);
  expect(pauses.at(-1)).toBe(30_000);
});

test('a worker that lived long did not crash in a loop', () => {
  const backoff = new Backoff();
  for (let i = 0; i < 5; i++) backoff.next(50);
  expect(backoff.next(60_000)).toBe(0);
});
