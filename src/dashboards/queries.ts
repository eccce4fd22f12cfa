/** Expressions that dashboards are made of. All take a series' rate first and sum afterwards: both slots count. */

import { of, seriesOf } from './selectors.ts';
import { converted } from './units.ts';

export interface Query {
  expr: string;
  /** With `{{label}}` for a label of the result. */
  legend: string;
  /** Prometheus does not know it: VictoriaMetrics is needed. */
  metricsql?: true;
  /** At the end of the time range only, as a table's row. */
  table?: true;
}

/** A second, over the interval that Grafana finds wide enough for the scrape interval; in the unit of the series. */
export const rate = (name: string, ...matchers: string[]): string => `rate(${of(name, ...matchers)}[$__rate_interval])`;

/**
 * How many between two points: what is added up over the points is what happened. Points are `countInterval` apart at least,
 * so that there are several scrapes between them.
 */
export const increase = (name: string, ...matchers: string[]): string =>
  `increase(${of(name, ...matchers)}[$__interval])`;

const countInterval = '1m';

/** The least time between two points of an expression, where it has one. */
export const leastInterval = (expr: string): { interval?: string } =>
  expr.includes('$__interval') ? { interval: countInterval } : {};

/** @param labels such as `app, status`; empty for one sum over all. */
export const sum = (labels: string, expression: string): string =>
  labels === '' ? `sum(${expression})` : `sum by (${labels}) (${expression})`;

/** The sum of rates, in Grafana's unit. */
export const sumOfRates = (labels: string, name: string, ...matchers: string[]): string =>
  converted(seriesOf(name), sum(labels, rate(name, ...matchers)));

const buckets = (labels: string, histogram: string): string =>
  sum(labels === '' ? 'le' : `${labels}, le`, rate(`${histogram}_bucket`));

export const quantile = (q: number, labels: string, histogram: string): string =>
  `histogram_quantile(${q}, ${buckets(labels, histogram)})`;

/** Median, 90th and 99th percentile at once, from one reading of the buckets. */
export const quantiles = (histogram: string): Query => ({
  expr: `histogram_quantiles("quantile", 0.5, 0.9, 0.99, ${buckets('', histogram)})`,
  legend: 'quantile {{quantile}}',
  metricsql: true,
});

export const mean = (labels: string, histogram: string): string =>
  `${sum(labels, rate(`${histogram}_sum`))} / (${sum(labels, rate(`${histogram}_count`))} > 0)`;

/** How much of it lies at or below so many seconds. */
export const share = (seconds: number, histogram: string): Query => ({
  expr: `histogram_share(${seconds}, ${buckets('', histogram)})`,
  legend: `within ${seconds} s`,
  metricsql: true,
});

/** For a heat map: how many came into each bucket. */
export const heat = (histogram: string): string => sum('le', increase(`${histogram}_bucket`));

/** The share of what matches, among all; nothing while there is nothing. */
export const ratio = (labels: string, name: string, ...matchers: string[]): string =>
  `${sum(labels, rate(name, ...matchers))} / (${sum(labels, rate(name))} > 0)`;

/** The largest over the whole time range, so that a thousand instances stay readable. */
export const top = (expr: string, legend: string): Query => ({
  expr: `topk_avg(10, ${expr})`,
  legend,
  metricsql: true,
});

/** The same of what adds up: what is left is one more line, `others`. */
export const topAndOthers = (expr: string, label: string, legend = `{{${label}}}`): Query => ({
  expr: `topk_avg(10, ${expr}, "${label}=others")`,
  legend,
  metricsql: true,
});

/** Drawn downwards, below what goes the other way. */
export const below = ({ expr, ...query }: Query): Query => ({ ...query, expr: `-${expr}` });

/** With a name for what has none: an empty label is no label, and no legend. */
export const named = (expr: string, label: string, name: string): string =>
  `label_replace(${expr}, "${label}", "${name}", "${label}", "")`;
