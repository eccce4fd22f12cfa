/** Histograms that come as a table with one row for each `le`. */

import { type Bucket, densities, parseBound, quantile } from './histogram.ts';
import type { Table, Value } from './table.ts';

/** In rising order. */
const sorted = ({ rows }: Table) =>
  rows
    .map((row) => ({ le: parseBound(row.labels.le ?? ''), row }))
    .filter(({ le }) => !Number.isNaN(le))
    .sort((a, b) => a.le - b.le);

/** @param at index of the time; -1 is the last. @returns none when a bucket has no value. */
export function bucketsAt(table: Table, at: number): Bucket[] {
  const buckets = sorted(table).map(({ le, row }) => ({ le, count: row.values.at(at) ?? null }));
  return buckets.some(({ count }) => count === null) ? [] : (buckets as Bucket[]);
}

export function quantilesOver(table: Table, q: number): Value[] {
  const rows = sorted(table);
  return table.times.map((_, i) => {
    const buckets = rows.map(({ le, row }) => ({ le, count: row.values[i] ?? null }));
    return buckets.some(({ count }) => count === null) ? null : quantile(q, buckets as Bucket[]);
  });
}

/** By bucket, then by time. Empty buckets at either end, and times without observations, show nothing. */
export function heat(table: Table): { bounds: number[]; cells: Value[][] } {
  const rows = sorted(table);
  const columns = table.times.map((_, i) => {
    const counts = rows.map(({ row }) => row.values[i] ?? null);
    return counts.includes(null) ? null : densities(rows.map(({ le }, b) => ({ le, count: counts[b]! })));
  });
  const used = rows.map((_, b) => columns.some((column) => (column?.[b] ?? 0) > 0));
  const [first, last] = [used.indexOf(true), used.lastIndexOf(true)];
  const shown = rows.map((_, b) => b).filter((b) => first >= 0 && b >= first && b <= last);
  return {
    bounds: shown.map((b) => rows[b]!.le),
    cells: shown.map((b) => columns.map((column) => column?.[b] ?? null)),
  };
}
