import { beforeEach, expect, test } from 'vitest';
import { clock } from '../../../src/proxy/transport/clock.ts';
import type { UpstreamConnection } from '../../../src/proxy/upstream/connection.ts';
import { Pool } from '../../../src/proxy/upstream/pool.ts';

let pool: Pool;
const most = 3;

/** As far as a pool knows one: it leaves when it closes. */
const connection = (left = false) => {
  const made = { parkedAt: 0, left, destroy: () => pool.remove(made as UpstreamConnection) };
  return made as UpstreamConnection;
};
const parked = (count: number): UpstreamConnection[] => {
  const all = Array.from({ length: count }, () => connection());
  for (const each of all) expect(pool.park(each, most)).toBe(true);
  return all;
};

beforeEach(() => {
  pool = new Pool();
  clock.now = 1_000_000;
});

test('the one that was used last is taken first, and each once', () => {
  const [first, second] = parked(2);
  expect([pool.take(true), pool.take(true), pool.take(true)]).toEqual([second, first, undefined]);
  expect(pool.size).toBe(0);
});

test('it takes no more than it may hold', () => {
  parked(most);
  expect(pool.park(connection(), most)).toBe(false);
  expect(pool.size).toBe(most);
  expect(pool.park(connection(), 0)).toBe(false);
});

test('a request that can not be repeated takes none that may have gone stale', () => {
  const [only] = parked(1);
  clock.now += 1_001;
  expect(pool.take(false)).toBeUndefined();
  expect(pool.take(true)).toBe(only);
  pool.park(only!, most);
  clock.now += 1_000;
  expect(pool.take(false)).toBe(only);
});

test('who closes leaves, who is elsewhere now is closed, and all are when it is cleared', () => {
  const [first, second] = parked(2);
  pool.remove(first!);
  pool.remove(first!);
  expect(pool.size).toBe(1);
  pool.park(connection(true), most);
  pool.clear(({ left }) => left);
  expect(pool.take(true)).toBe(second);
  parked(3);
  pool.clear();
  expect(pool.size).toBe(0);
});
