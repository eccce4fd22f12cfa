/** Grafana's types of panels that the dashboards use. */

import type { Defaults, FieldConfig, Options, Step } from './grafana.ts';
import { base, type Panel, type PanelOptions } from './panel.ts';
import { type Query, rate, sum } from './queries.ts';
import { of, seriesIn, seriesOf } from './selectors.ts';
import { converted, valueUnit } from './units.ts';

/** Many lines' legends need a column to themselves. */
const legend: Options['timeseries']['legend'] = {
  displayMode: 'table',
  placement: 'right',
  showLegend: true,
  calcs: ['mean', 'max'],
};
const tooltip: Options['timeseries']['tooltip'] = { mode: 'multi', sort: 'desc' };

export function timeseries(title: string, queries: Query[], options: PanelOptions = {}): Panel {
  const { stack, bars, statuses, min, max, drill } = options;
  const defaults = {
    color: { mode: 'palette-classic' },
    custom: {
      drawStyle: bars ? 'bars' : 'line',
      lineWidth: 1,
      fillOpacity: stack || bars ? 40 : 8,
      showPoints: 'auto',
      spanNulls: false,
      stacking: { mode: stack ? 'normal' : 'none', group: 'A' },
    },
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(drill && { links: [toInstance] }),
  } satisfies Defaults<'timeseries'>;
  const panel = base('timeseries', title, queries, options);
  panel.fieldConfig = {
    defaults: { ...panel.fieldConfig.defaults, ...defaults },
    overrides: statuses ? statusColours : [],
  };
  const shown = {
    legend: options.width === 24 ? legend : { ...legend, placement: 'bottom' },
    tooltip,
  } satisfies Options['timeseries'];
  return { ...panel, options: shown };
}

/** One number, with its course behind it. */
export function stat(title: string, query: Omit<Query, 'legend'>, options: PanelOptions & Thresholds = {}): Panel {
  const { from } = options;
  const panel = base('stat', title, [{ ...query, legend: title }], { width: 4, height: 4, ...options });
  const defaults = {
    noValue: '–',
    thresholds: { mode: 'absolute', steps: steps(from) },
    color: { mode: from === undefined ? 'fixed' : 'thresholds', ...(from === undefined && { fixedColor: 'text' }) },
  } satisfies Defaults<'stat'>;
  panel.fieldConfig.defaults = { ...panel.fieldConfig.defaults, ...defaults };
  const shown = {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    colorMode: 'value',
    graphMode: 'area',
    textMode: 'value',
    justifyMode: 'auto',
    orientation: 'auto',
    percentChangeColorMode: 'standard',
    showPercentChange: false,
    wideLayout: true,
  } satisfies Options['stat'];
  return { ...panel, options: shown };
}

export interface Thresholds {
  /** From here on it is yellow, and red. */
  from?: [yellow: number, red: number];
}

/** How many came into each of a histogram's buckets. @param expr by `le`. */
export function heatmap(title: string, expr: string, options: PanelOptions = {}): Panel {
  const panel = base('heatmap', title, [{ expr, legend: '{{le}}' }], { unit: 'short', ...options });
  panel.targets = panel.targets.map((target) => ({ ...target, format: 'heatmap' }));
  const shown = {
    calculate: false,
    cellGap: 1,
    cellValues: { unit: 'short', decimals: 0 },
    color: {
      mode: 'scheme',
      scheme: 'Spectral',
      reverse: true,
      scale: 'exponential',
      exponent: 0.5,
      steps: 64,
      fill: 'dark-orange',
    },
    exemplars: { color: 'rgba(255,0,255,0.7)' },
    filterValues: { le: 1e-9 },
    legend: { show: true },
    rowsFrame: { layout: 'auto' },
    showValue: 'never',
    tooltip: { mode: 'single', yHistogram: true, showColorScale: false },
    yAxis: { unit: valueUnit(seriesIn(expr)[0]), axisPlacement: 'left' },
  } satisfies Options['heatmap'];
  return { ...panel, options: shown };
}

/** Which of some named states each series is in. @param states by value. */
export function timeline(title: string, query: Query, states: State[], options: PanelOptions = {}): Panel {
  const panel = base('state-timeline', title, [query], { unit: 'none', width: 24, height: 6, ...options });
  const mapping = Object.fromEntries(states.map(({ value, text, color }, index) => [value, { text, color, index }]));
  const defaults = {
    color: { mode: 'thresholds' },
    custom: { fillOpacity: 80, lineWidth: 0 },
    mappings: [{ type: 'value', options: mapping }],
    thresholds: { mode: 'absolute', steps: steps() },
  } satisfies Defaults<'state-timeline'>;
  panel.fieldConfig.defaults = { ...panel.fieldConfig.defaults, ...defaults };
  const shown = {
    mergeValues: true,
    showValue: 'auto',
    alignValue: 'left',
    rowHeight: 0.8,
    legend: { showLegend: false, displayMode: 'list', placement: 'bottom', calcs: [] },
    tooltip: { mode: 'single', sort: 'none' },
  } satisfies Options['state-timeline'];
  return { ...panel, options: shown };
}

export interface State {
  value: number;
  text: string;
  color: string;
}

/** Values now: one row for each series. @param columns the labels that are shown, in this order. */
export function table(title: string, expr: string, columns: string[], options: PanelOptions = {}): Panel {
  const panel = base('table', title, [{ expr, legend: '', table: true }], options);
  const defaults = {
    custom: { align: 'auto', cellOptions: { type: 'auto' }, filterable: true, inspect: false },
  } satisfies Defaults<'table'>;
  panel.fieldConfig.defaults = { ...panel.fieldConfig.defaults, ...defaults };
  const order = [...columns, 'Value'];
  const indexByName = Object.fromEntries(order.map((name, index) => [name, index]));
  const shown = {
    frameIndex: 0,
    showHeader: true,
    sortBy: [{ displayName: 'Value', desc: true }],
  } satisfies Options['table'];
  return {
    ...panel,
    options: shown,
    transformations: [{ id: 'organize', options: { excludeByName: { Time: true }, indexByName, renameByName: {} } }],
  };
}

/** A series of the catalogue as it is: a counter's rate, a gauge's value, by instance (or app) and its own labels. */
export function plain(name: string, options: PanelOptions = {}): Panel {
  const series = seriesOf(name);
  const owner = ['instance', 'id', 'app', 'host'].find((label) => series.labels.includes(label))!;
  const labels = [...new Set([owner, ...series.own])];
  const counter = series.type === 'counter';
  const expr = converted(series, sum(labels.join(', '), counter ? rate(name) : of(name)));
  const words = name
    .replace(/^(fly_(instance_)?|pg_(stat_)?)/, '')
    .replace(/_count$/, '')
    .replaceAll('_', ' ');
  const title = `${words[0].toUpperCase()}${words.slice(1)}`;
  return timeseries(title, [{ expr, legend: labels.map((label) => `{{${label}}}`).join(' ') }], {
    width: 6,
    ...options,
  });
}

const steps = (from?: [number, number]): Step[] => [
  { color: 'green', value: null },
  ...(from === undefined ? [] : from.map((value, i) => ({ color: ['yellow', 'red'][i]!, value }))),
];

const statusColours: FieldConfig['overrides'] = [
  ['2', 'green'],
  ['[13]', 'blue'],
  ['4', 'yellow'],
  ['5', 'red'],
].map(([first, fixedColor]) => ({
  matcher: { id: 'byRegexp', options: `/^${first}\\d\\d$/` },
  properties: [{ id: 'color', value: { mode: 'shades', fixedColor } }],
}));

const toInstance = {
  title: 'The instance itself',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
  url: '/d/fly-edge-instance?var-instance=${__field.labels.instance}&${datasource:queryparam}&${__url_time_range}',
  targetBlank: false,
};
