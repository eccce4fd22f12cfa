import { describe, expect, test } from 'vitest';
import { parseAddress, parseHostPort, parseListen } from '../../src/config/address.ts';
import { parseDuration } from '../../src/config/duration.ts';
import { parseHostname } from '../../src/config/fields.ts';
import { collide } from '../../src/config/listeners.ts';
import { editDistance, nearest } from '../../src/config/nearest.ts';

test.each([
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1m30s', 90_000],
  ['1.5s', 1_500],
  ['0s', 0],
  ['596h', 2_145_600_000],
  ['597h', undefined],
  ['', undefined],
  ['30', undefined],
  ['s', undefined],
  ['30 s', undefined],
  ['-1s', undefined],
  ['1d', undefined],
  ['1.s', undefined],
  ['1e3s', undefined],
])('duration %j is %s', (text, value) => {
  expect(parseDuration(text)).toBe(value);
});

test.each([
  ['demo.test', 'demo.test'],
  ['Demo.TEST', 'demo.test'],
  ['*.demo.test', '*.demo.test'],
  ['*', '*'],
  ['a_b.test', 'a_b.test'],
  ['127.0.0.1', '127.0.0.1'],
  ['xn--bcher-kva.test', 'xn--bcher-kva.test'],
  ['bücher.test', undefined],
  ['demo.test.', 'demo.test'],
  ['*.Demo.test.', '*.demo.test'],
  ['demo.test..', undefined],
  ['.', undefined],
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
  ['[2001:DB8:0::1]', '[2001:db8::1]'],
  ['*.[::1]', undefined],
  ['[::1]:80', undefined],
  ['fe80::1%lo', undefined],
  ['demo..test', undefined],
  ['-demo.test', undefined],
  ['*demo.test', undefined],
  ['*.*.test', undefined],
  ['', undefined],
  [`${'a'.repeat(64)}.test`, undefined],
  [`${'a.'.repeat(127)}a`, undefined],
])('host name %j is %s', (text, value) => {
  expect(parseHostname(text)).toBe(value);
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1', { host: '127.0.0.1', port: null }],
    ['App.internal:80', { host: 'app.internal', port: 80 }],
    ['[::1]', { host: '::1', port: null }],
    ['[fd00::2]:80', { host: 'fd00::2', port: 80 }],
    ['::1', undefined],
    ['[127.0.0.1]', undefined],
    ['a:0', undefined],
    ['a:65536', undefined],
    ['a:', undefined],
    [':80', undefined],
    ['256.1.1.1', undefined],
    ['a/b', undefined],
    ['\u212aafka:80', undefined],
    ['\u0130nstance:80', undefined],
    ['app\u00a0:80', undefined],
    ['app:\u0661', undefined],
    ['app:80\n', undefined],
  ])('%s', (text, value) => {
    expect(parseAddress(text)).toEqual(value);
  });

  test('where a port is needed, or an address of this machine', () => {
    expect(parseHostPort('a')).toBeUndefined();
    expect(parseListen('a:80')).toBeUndefined();
    expect(parseListen('localhost:80')).toEqual({ host: '127.0.0.1', port: 80 });
  });

  test('collide when both could not be bound', () => {
    const at = (host: string, port = 80) => ({ host, port });
    expect(collide(at('127.0.0.1'), at('127.0.0.1'))).toBe(true);
    expect(collide(at('0.0.0.0'), at('127.0.0.1'))).toBe(true);
    expect(collide(at('127.0.0.1'), at('::'))).toBe(true);
    expect(collide(at('127.0.0.1'), at('127.0.0.2'))).toBe(false);
    expect(collide(at('127.0.0.1'), at('127.0.0.1', 81))).toBe(false);
  });
});

test('the nearest known word', () => {
  expect(editDistance('regoin', 'region')).toBe(1);
  expect(editDistance('', 'abc')).toBe(3);
  expect(nearest('hostname', ['hostnames', 'host'])).toBe('hostnames');
  expect(nearest('drain_timout', ['drain_timeout', 'websocket_drain_timeout'])).toBe('drain_timeout');
  expect(nearest('Region', ['region'])).toBe('region');
  expect(nearest('\u212a\u212a', ['kk'])).toBe('kk');
  expect(nearest('zzzzzz', ['region', 'host'])).toBeNull();
});
