import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bucketsAt, heat, quantilesOver } from '../../../src/page/model/buckets.ts';
import { type Bucket, densities, parseBound, quantile } from '../../../src/page/model/histogram.ts';
import type { Table } from '../../../src/page/model/table.ts';
import { seeded } from '../../helpers/random.ts';
import { installed, Storage } from '../../helpers/storage.ts';
import { until } from '../../helpers/until.ts';

const buckets = (...pairs: [le: number, count: number][]): Bucket[] => pairs.map(([le, count]) => ({ le, count }));

test('a quantile is linear within its bucket, from 0 in the first', () => {
  const some = buckets([1, 10], [2, 30], [5, 40], [Infinity, 40]);
  expect([0, 0.125, 0.25, 0.5, 0.75, 0.875, 1].map((q) => quantile(q, some))).toEqual([0, 0.5, 1, 1.5, 2, 3.5, 5]);
});

test('above the highest bound, that bound is all one knows', () => {
  expect(quantile(0.99, buckets([1, 10], [2, 20], [Infinity, 100]))).toBe(2);
});

test('without observations there is none', () => {
  expect(quantile(0.5, [])).toBe(null);
  expect(quantile(0.5, buckets([1, 0], [Infinity, 0]))).toBe(null);
  expect(quantile(0.5, buckets([1, 4], [2, 5]))).toBe(null);
});

test('what is in each bucket alone; what rounding leaves of rates is nothing', () => {
  expect(densities(buckets([1, 10], [2, 10.000000000001], [Infinity, 12]))).toEqual([10, 0, 1.999999999999]);
  expect(densities(buckets([1, 10], [2, 30], [Infinity, 29.999999]))).toEqual([10, 20, 0]);
});

const table = (rows: Record<string, (number | null)[]>): Table => ({
  times: rows['+Inf']!.map((_, i) => i),
  rows: Object.entries(rows).map(([le, values]) => ({ labels: { le }, values })),
});

test('of a table: rows come in any order, times without observations are empty', () => {
  const times = table({ '10': [4, 0, null], '+Inf': [4, 0, null], '0.5': [0, 0, null], '2': [4, 0, null] });
  expect(quantilesOver(times, 0.5)).toEqual([1.25, null, null]);
  expect(bucketsAt(times, 0).map(({ le }) => le)).toEqual([0.5, 2, 10, Infinity]);
  expect(bucketsAt(times, -1)).toEqual([]);
});

const noBounds = ['', ' ', ' 1', '1\xa0', '0x1', '0b1', '1_0', 'Infinity', '\u0661'];
test.each<[string, number]>([
  ['0.5', 0.5],
  ['1e-3', 0.001],
  ['+Inf', Infinity],
  ['Inf', Infinity],
  ...noBounds.map((le): [string, number] => [le, NaN]),
])('the bound %j is %s', (le, expected) => {
  expect(parseBound(le)).toBe(expected);
});

test('a heat map has the buckets from the first used one to the last', () => {
  const times = table({ '1': [0, 0], '2': [4, 0], '3': [4, 1], '4': [6, 1], '+Inf': [6, 1] });
  expect(heat(times)).toEqual({
    bounds: [2, 3, 4],
    cells: [
      [4, 0],
      [0, 1],
      [2, 0],
    ],
  });
  expect(heat(table({ '1': [0], '+Inf': [0] }))).toEqual({ bounds: [], cells: [] });
});

describe.runIf(installed('victoriaMetrics', 'prometheus'))('a quantile is what PromQL says', () => {
  let folder: string;
  let storage: Storage;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-quantile-'));
    storage = await Storage.victoriaMetrics(folder);
  });
  afterAll(async () => {
    await storage?.stop();
    rmSync(folder, { recursive: true });
  });

  test('of VictoriaMetrics, for two hundred random histograms', async () => {
    const random = seeded(11);
    const bounds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];
    const all = Array.from({ length: 200 }, () => {
      let count = 0;
      const grow = () => (count += random() < 0.4 ? 0 : Math.floor(random() * 100));
      return [...bounds, Infinity].map((le): Bucket => ({ le, count: grow() }));
    });
    const lines = all.flatMap((histogram, i) =>
      histogram.map(({ le, count }) => `h_bucket{i="${i}",le="${le === Infinity ? '+Inf' : le}"} ${count}\n`),
    );
    await fetch(`${storage.url}/api/v1/import/prometheus`, { method: 'POST', body: lines.join('') });
    await fetch(`${storage.url}/internal/force_flush`);
    const stored = () => storage.query('count(h_bucket)').then(([found]) => Number(found?.value[1]) === lines.length);
    await until(stored, 'the histograms to be stored');
    for (const q of [0.01, 0.5, 0.9, 0.99, 1]) {
      const found = await storage.query(`histogram_quantile(${q}, h_bucket)`);
      const theirs = new Map(found.map(({ metric, value }) => [Number(metric.i), Number(value[1])]));
      expect(theirs.size).toBeGreaterThan(150);
      all.forEach((histogram, i) => {
        const ours = quantile(q, histogram);
        if (ours === null) expect(theirs.get(i) ?? NaN).toBeNaN();
        else expect(theirs.get(i)).toBeCloseTo(ours, 9);
      });
    }
  });
});
