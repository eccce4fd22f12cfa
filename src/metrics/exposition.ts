/** Prometheus' text format 0.0.4, written in pieces so that a large page never holds up the supervisor. */

import { metrics } from './catalogue.ts';
import type { Cell, Owner, Series, Store } from './merge.ts';

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** Characters of a string that a page is written in. */
export const pieceSize = 64 * 1024;

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

/** A sample's value or bound, as Go's ParseFloat reads it. */
export function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return String(value);
}

/** Whose series a page holds, or a part of one. */
export interface ScrapeShare {
  apps: Pick<ReadonlySet<string>, 'has'>;
  /** Those that belong to no app too: the slots', and those with `app=""`. */
  unowned: boolean;
}

/** Whose series a whole page holds. */
export interface ScrapeScope extends ScrapeShare {
  apps: ReadonlySet<string>;
}

/**
 * The page, in strings of about 64 KiB that each end with a line.
 * @param owners without them all series.
 */
export function* render(store: Store, owners?: Iterable<Owner>): Generator<string, void> {
  const families = owners && byMetric(owners);
  const suffixes = [...store.bounds, Infinity].map((bound) => `,le="${formatNumber(bound)}"} `);
  let piece = '';
  for (const metric of metrics) {
    let header = headerOf(metric);
    for (const series of families?.[metric.id] ?? store.series(metric.id)) {
      for (const cell of exposed(series)) {
        piece += header;
        header = '';
        piece += metric.type === 'histogram' ? histogram(metric.name, cell, suffixes) : value(metric.name, cell);
      }
      if (piece.length < pieceSize) continue;
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

/** Those whose series a page holds. */
export function* ownersIn(store: Store, { apps, unowned }: ScrapeScope): Generator<Owner> {
  if (unowned) yield* store.ownersOf('');
  for (const app of apps) if (app !== '') yield* store.ownersOf(app);
}

function byMetric(owners: Iterable<Owner>): Series[][] {
  const families: Series[][] = metrics.map(() => []);
  for (const { series } of owners) for (const each of series) families[each.metric.id].push(each);
  return families;
}

/** The lines before the first sample of a series. */
export const headerOf = ({ name, help, type }: { name: string; help: string; type: string }): string =>
  `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;

/** Counters are in both colours from the start; a gauge belongs to a live generation. */
function exposed({ metric, blue, green }: Series): Cell[] {
  const cells = [blue, green];
  return metric.type === 'gauge' ? cells.filter((cell) => cell.workers > 0) : cells;
}

const value = (name: string, { text, values }: Cell): string => `${name}{${text}} ${formatNumber(values[0])}\n`;

/** @param suffixes one for each bucket, with its bound. */
function histogram(name: string, { text, values }: Cell, suffixes: readonly string[]): string {
  let lines = '';
  let count = 0;
  const start = `${name}_bucket{${text}`;
  for (let i = 0; i < suffixes.length; i++) {
    count += values[i];
    lines += `${start}${suffixes[i]}${count}\n`;
  }
  lines += `${name}_sum{${text}} ${formatNumber(values[suffixes.length])}\n`;
  return `${lines}${name}_count{${text}} ${count}\n`;
}
