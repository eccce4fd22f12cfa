import { type Expression, others, type Read } from './read.ts';
import type { Row, Table } from './table.ts';
import { type Line, type Tone, tones, type View } from './view.ts';

export type Tables = Readonly<Record<string, Table>>;

export interface Panel {
  id: string;
  title: string;
  /** One sentence about what is shown. */
  help: string;
  /** By the names that `view` knows them by. */
  reads: Readonly<Record<string, Read | Expression>>;
  /** Whether only the last values are shown. */
  now?: true;
  /** Why there may be nothing to show. */
  empty: string;
  /** @param tables the reads' answers: all at the same times. */
  view: (tables: Tables) => View;
}

/** One line for each row, by one of its labels: in their order, so that a line keeps its colour. All others come last. */
export function linesOf(rows: readonly Row[], label: string, unnamed = '(none)'): Line[] {
  const named = rows.map(({ labels, values }) => ({ label: labels[label] || unnamed, values }));
  const rest = ({ label }: { label: string }) => Number(label === others);
  named.sort((a, b) => rest(a) - rest(b) || (a.label < b.label ? -1 : 1));
  return named.map((row, i) => ({
    ...row,
    tone: rest(row) ? 'quiet' : tones[i % tones.length]!,
    pattern: i,
  }));
}

export const line = (label: string, values: Line['values'], tone: Tone, pattern: number): Line => ({
  label,
  values,
  tone,
  pattern,
});

/** Rows that were ever above 0. */
export const moved = (rows: readonly Row[]): Row[] =>
  rows.filter(({ values }) => values.some((value) => (value ?? 0) > 0));
