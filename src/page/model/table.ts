/** Values over time, one row for each set of labels. */

import type { Labels } from './page-reader.ts';

export type Value = number | null;

export interface Row {
  labels: Labels;
  /** One for each time; null where there is none. */
  values: Value[];
}

export interface Table {
  /** Seconds since 1970, rising. */
  times: number[];
  rows: Row[];
}

/** The last value; null without any. */
export const latest = ({ values }: Pick<Row, 'values'>): Value => values.at(-1) ?? null;

/** A copy by fewer labels: what has the same ones is combined, and null only where all are. */
export function regroup(table: Table, by: (labels: Labels) => Labels | null, combine = add): Table {
  const rows = new Map<string, Row>();
  for (const { labels, values } of table.rows) {
    const kept = by(labels);
    if (kept === null) continue;
    const key = rowKey(kept);
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { labels: kept, values: [...values] });
    else for (let i = 0; i < values.length; i++) row.values[i] = either(row.values[i]!, values[i]!, combine);
  }
  return { times: table.times, rows: [...rows.values()] };
}

export const add = (a: number, b: number): number => a + b;

const either = (a: Value, b: Value, combine: (a: number, b: number) => number): Value =>
  a === null ? b : b === null ? a : combine(a, b);

export const rowKey = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort());

export const labelsOf = (key: string): Labels => Object.fromEntries(JSON.parse(key) as [string, string][]);

/** Sum of all rows; null where none has a value. */
export function total(table: Table): Value[] {
  return regroup(table, () => ({})).rows[0]?.values ?? table.times.map(() => null);
}

/** Value by value; null where one has none. */
export function combine(a: readonly Value[], b: readonly Value[], f: (a: number, b: number) => Value): Value[] {
  return a.map((value, i) => (value === null || b[i] == null ? null : f(value, b[i]!)));
}

/** The rows with the highest values, highest first, and the sum of the others. */
export function top(table: Table, count: number): { shown: Row[]; others: { count: number; values: Value[] } } {
  const highest = (row: Row) =>
    row.values.reduce<number>((most, value) => Math.max(most, value ?? -Infinity), -Infinity);
  const ranked = table.rows.map((row) => ({ row, rank: highest(row) })).sort((a, b) => b.rank - a.rank);
  const rest = ranked.slice(count).map(({ row }) => row);
  return {
    shown: ranked.slice(0, count).map(({ row }) => row),
    others: { count: rest.length, values: total({ times: table.times, rows: rest }) },
  };
}
