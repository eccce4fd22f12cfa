import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Quarantine } from '../../src/gateway/quarantine.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('a text is condemned for its organization alone', () => {
  const quarantine = new Quarantine();
  quarantine.condemn('alpha', '{}[5M:]');
  expect(quarantine.has('alpha', '{}[5M:]')).toBe(true);
  expect(quarantine.has('beta', '{}[5M:]')).toBe(false);
  expect(quarantine.has('alpha', '{}[5m:]')).toBe(false);
});

test('an organization with too many of them is barred until the oldest is forgotten', () => {
  const quarantine = new Quarantine({ strikes: 3, period: 1000 });
  for (const text of ['a', 'b', 'c']) {
    expect(quarantine.barred('alpha')).toBe(0);
    quarantine.condemn('alpha', text);
    vi.advanceTimersByTime(100);
  }
  expect(quarantine.barred('alpha')).toBe(700);
  expect(quarantine.barred('beta')).toBe(0);
  vi.advanceTimersByTime(701);
  expect(quarantine.barred('alpha')).toBe(0);
  expect(quarantine.has('alpha', 'a')).toBe(true);
});

test('ten thousand texts are remembered, and no more', () => {
  const quarantine = new Quarantine({ strikes: Number.POSITIVE_INFINITY, period: 0 });
  for (let i = 0; i <= 10_000; i++) quarantine.condemn('alpha', `text ${i}`);
  expect(quarantine.has('alpha', 'text 0')).toBe(false);
  expect(quarantine.has('alpha', 'text 1')).toBe(true);
  expect(quarantine.has('alpha', 'text 10000')).toBe(true);
});
