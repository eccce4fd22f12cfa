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
  ['gzip ;\tq=0.5\t, br', true],
  ['\tgzip\t', true],
  // NBSP is no blank, and what is written in another form is another thing.
  ['gzip\xa0', false],
  ['\xa0gzip', false],
  ['gzip;\xa0q=1', false],
  ['gzip;q=1\xa0', false],
  ['gzip;q=\x0b1', false],
  ['gzip;q =1', false],
  ['gzip;q=0x1', false],
  ['gzip;q=', false],
  ['gzip;q=1e0', false],
  ['gzip;q=.5', false],
  ['gzip\u2028', false],
])('Accept-Encoding: %s → %s', (header, expected) => {
  expect(acceptsGzip(header)).toBe(expected);
});
