import { expect, test } from 'vitest';
import { acceptsGzip } from '../../src/metrics/encoding.ts';

test.each([
  ['gzip', true],
  ['GZIP;Q=0.5', true],
  ['deflate, gzip;q=1.0, *;q=0.5', true],
  ['*', true],
  ['x-gzip', true],
  ['identity;q=0.5, gzip', true],
  [undefined, false],
  ['', false],
  ['identity', false],
  ['gzip;q=0', false],
  ['gzip;q=0.000, *', false],
  ['gzip;q=nonsense', false],
  ['gzip;q=0.5, identity', false],
  ['br', false],
])('Accept-Encoding: %s → %s', (header, expected) => {
  expect(acceptsGzip(header)).toBe(expected);
});
