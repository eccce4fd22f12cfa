import { expect, test } from 'vitest';
import { bucketFault, defaultBuckets } from '../../src/base/buckets.ts';

test('the default bounds pass their own check', () => {
  expect(bucketFault(defaultBuckets)).toBeNull();
});

test.each([
  [[], 'no bucket'],
  [[0], 'bucket 0: give a positive'],
  [[-1, 1], 'bucket -1: give a positive'],
  [[1, Infinity], '+Inf is implied'],
  [[Number.NaN], 'bucket NaN'],
  [[1, 1], 'bucket 1 after 1: give them in rising order'],
  [[2, 1], 'bucket 1 after 2: give them in rising order'],
  [Array.from({ length: 61 }, (_, i) => i + 1), 'at most 60'],
])('%j is refused', (bounds, fault) => {
  expect(bucketFault(bounds)).toContain(fault);
});
