import { beforeEach, expect, test } from 'vitest';
import { type EdgeError, errors } from '../../../src/proxy/errors.ts';
import { clock } from '../../../src/proxy/transport/clock.ts';
import { Tries } from '../../../src/proxy/upstream/tries.ts';
import type { Upstream } from '../../../src/proxy/upstream/upstream.ts';

const limits = { retryAttempts: 2, retryTime: 5_000 };
const upstream = (healthy = true): Upstream => ({ healthy }) as Upstream;
let tries: Tries;

beforeEach(() => {
  tries = new Tries();
  clock.now = performance.now();
});

test('another instance, as long as a healthy one is left that has not failed', () => {
  const all = [upstream(), upstream(false), upstream()];
  tries.begin();
  expect(tries.mayTryAnother(errors.connect, all[0]!, all, limits)).toBe(true);
  expect(tries.failed).toEqual([all[0]]);
  tries.begin();
  expect(tries.mayTryAnother(errors.connectTimeout, all[2]!, all, limits)).toBe(false);
});

test('no more tries than the limit allows, and one more, the first', () => {
  const all = Array.from({ length: 9 }, () => upstream());
  const another = () => {
    tries.begin();
    return tries.mayTryAnother(errors.connect, all[tries.count]!, all, limits);
  };
  expect([another(), another(), another()]).toEqual([true, true, false]);
  tries.reset();
  expect([tries.failed, tries.count]).toEqual([null, 0]);
  expect(another()).toBe(true);
});

test('not beyond the time for retries, from which waiting in the queue is not taken', () => {
  const all = [upstream(), upstream(), upstream()];
  tries.begin();
  expect(tries.mayTryAnother(errors.connect, all[0]!, all, limits)).toBe(true);
  // It waits for six seconds, by the clock of the sweep, which stands still in between.
  clock.now += 6_000;
  tries.begin();
  expect(tries.mayTryAnother(errors.connect, all[1]!, all, limits)).toBe(true);
  tries.reset();
  clock.now = performance.now() - limits.retryTime - 1;
  tries.begin();
  expect(tries.mayTryAnother(errors.connect, all[0]!, all, limits)).toBe(false);
});

test('each error as the table has it', () => {
  const retried = (may: (tries: Tries, error: EdgeError) => boolean): string[] =>
    Object.values(errors)
      .filter((error) => {
        const tries = new Tries();
        tries.begin();
        return may(tries, error);
      })
      .map(({ code }) => code);
  const another = [upstream(), upstream()] as const;
  const codes = ['instance_connect', 'instance_connect_timeout'];
  expect(retried((tries, error) => tries.mayTryAnother(error, another[0], another, limits))).toEqual(codes);
  // RFC 9112 9.3.1: a connection that was used before may have been closed meanwhile.
  expect(retried((tries, error) => tries.mayTryAgain(error, true, limits))).toEqual([...codes, 'instance_closed']);
  expect(retried((tries, error) => tries.mayTryAgain(error, false, limits))).toEqual(codes);
});
