/** What all of Grafana's panels have: queries, a unit, and what the catalogue says of their series. */

import type { FieldConfig, Options, Transformation } from './grafana.ts';
import { leastInterval, type Query } from './queries.ts';
import { seriesIn } from './selectors.ts';
import { rateUnit, valueUnit } from './units.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
export const datasource = { type: 'prometheus', uid: '${datasource}' };

/** A panel without its place. */
export interface Panel {
  type: keyof Options;
  title: string;
  description: string;
  datasource: typeof datasource;
  targets: object[];
  fieldConfig: FieldConfig;
  options: object;
  transformations?: Transformation[];
  /** How many of 24 columns it has. */
  width: number;
  height: number;
}

export interface PanelOptions {
  /** Where it is not that of the first series. */
  unit?: string;
  /** What the catalogue's texts do not say. */
  text?: string;
  /** Added up, one on the other. */
  stack?: true;
  /** Bars, for what happens now and then. */
  bars?: true;
  /** Colours by status class. */
  statuses?: true;
  /** Where the axis begins. */
  min?: number;
  max?: number;
  width?: number;
  height?: number;
  /** A click on a series of an instance leads to its own dashboard. */
  drill?: true;
}

/** Without options of its type. */
export function base(type: keyof Options, title: string, queries: Query[], options: PanelOptions): Panel {
  const { unit, text, width = 8, height = 8 } = options;
  const [first] = seriesIn(queries[0].expr);
  // A histogram is mostly asked for its seconds.
  const perSecond = first.type === 'counter' && /\brate\(/.test(queries[0].expr);
  return {
    type,
    title,
    description: describe(queries, text),
    datasource,
    targets: queries.map(target),
    fieldConfig: { defaults: { unit: unit ?? (perSecond ? rateUnit(first) : valueUnit(first)) }, overrides: [] },
    options: {},
    width,
    height,
  };
}

const target = ({ expr, legend, table }: Query, index: number): object => ({
  refId: String.fromCharCode(65 + index),
  datasource,
  editorMode: 'code',
  expr,
  legendFormat: legend,
  ...leastInterval(expr),
  ...(table
    ? { format: 'table', instant: true, range: false }
    : { format: 'time_series', instant: false, range: true }),
});

/** Markdown: what the panel is for, and each of its series in the catalogue's words. */
function describe(queries: Query[], text: string | undefined): string {
  const all = [...new Set(queries.flatMap(({ expr }) => seriesIn(expr)))];
  const series = all.map(({ name, unit, help }) => `- \`${name}\` (${unit})${help === '' ? '' : `: ${help}`}`);
  const needs = queries.some(({ metricsql }) => metricsql) ? ['MetricsQL: needs VictoriaMetrics.'] : [];
  return [...(text === undefined ? [] : [text]), series.join('\n'), ...needs].join('\n\n');
}
