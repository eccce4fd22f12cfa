import { expect, test } from 'vitest';
import { histogramQuantile } from '../../load/quantiles.ts';

const buckets: [number, number][] = [
  [0.001, 10],
  [0.002, 30],
  [0.004, 40],
  [Number.POSITIVE_INFINITY, 40],
];

test('a quantile is interpolated inside its bucket', () => {
  expect(histogramQuantile(0.5, buckets)).toEqual({ series: 1.5, low: 1, high: 2 });
});

test('the lowest bucket begins at 0', () => {
  expect(histogramQuantile(0.125, buckets)).toEqual({ series: 0.5, low: 0, high: 1 });
});

test('above the last finite bound, that bound is all that is known', () => {
  const slow: [number, number][] = [...buckets.slice(0, 3), [Number.POSITIVE_INFINITY, 100]];
  expect(histogramQuantile(0.99, slow)).toEqual({ series: 4, low: 4, high: Number.POSITIVE_INFINITY });
});
