/** What a panel shows, before anything is drawn. */

import type { Unit } from './format.ts';
import type { Value } from './table.ts';

/** What a colour says; the page's style gives each one, in light and in dark. Slots have the first two to themselves. */
export type Tone =
  | 'blue'
  | 'green'
  | 'good'
  | 'info'
  | 'warn'
  | 'bad'
  | 'quiet'
  | 'a'
  | 'b'
  | 'c'
  | 'd'
  | 'e'
  | 'f'
  | 'g'
  | 'h';

export const tones: readonly Tone[] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

export interface Line {
  label: string;
  values: Value[];
  tone: Tone;
  /** Which dashes or hatching it has: lines that share a panel differ in more than their colour. */
  pattern: number;
}

/** Lines, or areas upon each other. */
export interface LinesView {
  kind: 'lines' | 'stack';
  unit: Unit;
  times: number[];
  lines: Line[];
  /** Whether values of every size are to be seen: the axis goes by powers of ten. */
  logarithmic?: true;
}

/** How much fell into each bucket over time. */
export interface HeatView {
  kind: 'heat';
  unit: Unit;
  times: number[];
  /** Upper bounds of the buckets, rising, the last one Infinity. */
  bounds: number[];
  /** By bucket, then by time: for each second. */
  cells: Value[][];
}

/** States of the two slots over time. */
export interface SlotsView {
  kind: 'slots';
  times: number[];
  slots: { colour: 'blue' | 'green'; generation: Value[]; states: (string | null)[] }[];
}

export interface LimitsRow {
  label: string;
  /** null: it has less to do than those that are shown for it. */
  value: Value;
  soft: Value;
  hard: Value;
  /** Why it gets no requests. */
  ill?: string;
}

/** Each instance against its limits, now. */
export interface LimitsView {
  kind: 'limits';
  rows: LimitsRow[];
}

export type View = LinesView | HeatView | SlotsView | LimitsView;

/** Whether there is nothing to show. */
export function empty(view: View): boolean {
  switch (view.kind) {
    case 'lines':
    case 'stack':
      return view.lines.every(({ values }) => values.every((value) => value === null));
    case 'heat':
      return view.cells.every((row) => row.every((value) => value === null));
    case 'slots':
      return view.slots.every(({ states }) => states.every((state) => state === null));
    case 'limits':
      return view.rows.length === 0;
  }
}
