import { expect, test } from 'vitest';
import { Attempts } from '../../src/tokens/attempts.ts';

function attempts(options: { burst?: number; forgive?: number; most?: number } = {}) {
  const time = { now: 1_000_000 };
  return { time, attempts: new Attempts({ burst: 3, forgive: 1000, ...options, clock: () => time.now }) };
}

const fail = (limit: Attempts, address: string, times: number): void => {
  for (let i = 0; i < times; i++) limit.failed(address);
};

test('a burst, then one for each interval', () => {
  const { attempts: limit, time } = attempts();
  for (let i = 0; i < 3; i++) {
    expect(limit.allowed('192.0.2.1')).toBe(true);
    limit.failed('192.0.2.1');
  }
  expect(limit.allowed('192.0.2.1')).toBe(false);
  time.now += 999;
  expect(limit.allowed('192.0.2.1')).toBe(false);
  time.now += 1;
  expect(limit.allowed('192.0.2.1')).toBe(true);
  limit.failed('192.0.2.1');
  expect(limit.allowed('192.0.2.1')).toBe(false);
  time.now += 3000;
  fail(limit, '192.0.2.1', 2);
  expect(limit.allowed('192.0.2.1')).toBe(true);
});

test('asking costs nothing, and others are not concerned', () => {
  const { attempts: limit } = attempts();
  for (let i = 0; i < 100; i++) expect(limit.allowed('192.0.2.1')).toBe(true);
  fail(limit, '192.0.2.1', 100);
  expect(limit.allowed('192.0.2.2')).toBe(true);
  expect(limit.size).toBe(1);
});

test('failures beyond the burst do not add up', () => {
  const { attempts: limit, time } = attempts();
  fail(limit, '192.0.2.1', 1000);
  time.now += 1000;
  expect(limit.allowed('192.0.2.1')).toBe(true);
});

test('memory is bounded: the address that failed longest ago is forgotten', () => {
  const { attempts: limit } = attempts({ most: 100 });
  for (let i = 0; i < 10_000; i++) fail(limit, `10.0.${i >> 8}.${i & 255}`, 3);
  expect(limit.size).toBe(100);
  expect(limit.allowed('10.0.0.0')).toBe(true);
  expect(limit.allowed('10.0.39.15')).toBe(false);
  // Failing again keeps an address among the last.
  limit.failed('10.0.38.172');
  for (let i = 0; i < 99; i++) limit.failed(`10.1.0.${i}`);
  expect(limit.allowed('10.0.38.172')).toBe(false);
  expect(limit.allowed('10.0.39.15')).toBe(true);
});

test('what is forgiven takes no memory', () => {
  const { attempts: limit, time } = attempts();
  for (let i = 0; i < 50; i++) limit.failed(`10.0.0.${i}`);
  time.now += 1001;
  limit.failed('192.0.2.1');
  expect(limit.size).toBe(1);
});

test.each([
  ['2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff', false],
  ['2001:db8::1', '2001:db8:0:0:1:2:3:4', false],
  ['2001:DB8::1', '2001:0db8::2', false],
  ['::1', '::2', false],
  ['fe80::1%eth0', 'fe80::2%eth1', false],
  ['::ffff:192.0.2.1', '192.0.2.1', false],
  ['2001:db8::1', '2001:db8:0:1::1', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', true],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:1::192.0.2.1', true],
  // One address in other spellings; another address in the same one.
  ['::ffff:102:304', '1.2.3.4', false],
  ['::ffff:102:304', '::ffff:102:305', true],
  ['::FFFF:1.2.3.4', '0:0:0:0:0:ffff:0102:0304', false],
  ['0000:0000:0000:0000:0000:ffff:1.2.3.4', '::ffff:102:304', false],
  ['0:0:0:0:0:ffff:1.2.3.4', '0:0:0:0:0:ffff:1.2.3.5', true],
  ['0::ffff:102:304', '1.2.3.5', true],
  ['::ffff:1.2.3.4%eth0', '1.2.3.4', false],
  ['64:ff9b::1.2.3.4', '64:ff9b::102:304', false],
  ['64:ff9b::1.2.3.4', '64:FF9B::1.2.3.5', true],
  ['2001:db8:0:0:1::', '2001:db8::1:0:0:0', false],
  ['2001:db8:0:0:ffff::', '2001:db8::192.0.2.1', false],
])('after failures of %s, %s is allowed: %s', (address, other, expected) => {
  const { attempts: limit } = attempts();
  fail(limit, address, 3);
  expect(limit.allowed(address)).toBe(false);
  expect(limit.allowed(other)).toBe(expected);
});
