/** Selectors of the catalogue's series, restricted by the dashboard's variables. */

import { allSeries, type SeriesInfo } from '../metrics/series.ts';

const byName = new Map(allSeries.map((series) => [series.name, series]));

/** Labels that a dashboard may have a variable for, by the same name. */
const variableLabels = ['app', 'region', 'host', 'instance', 'id', 'datname'];

/** @param name of the catalogue, or a histogram's with `_bucket`, `_sum` or `_count`. Throws for any other. */
export function seriesOf(name: string): SeriesInfo {
  const series = byName.get(name);
  if (series !== undefined && series.type !== 'histogram') return series;
  const histogram = byName.get(name.replace(/_(bucket|sum|count)$/, ''));
  if (histogram?.type === 'histogram') return histogram;
  throw new Error(`${name} is not in the catalogue`);
}

/**
 * `NAME{app=~"$app",region=~"$region",…}`: as many of the variables as the series has labels.
 * @param matchers further ones, such as `status=~"5.."`.
 */
export function of(name: string, ...matchers: string[]): string {
  const { labels } = seriesOf(name);
  const variables = variableLabels.filter((label) => labels.includes(label)).map((label) => `${label}=~"$${label}"`);
  return `${name}{${[...variables, ...matchers].join(',')}}`;
}

/** The catalogue's series that an expression reads, in the order of their first mention. */
export function seriesIn(expression: string): SeriesInfo[] {
  const names = expression.match(/\b(fly|pg)_\w+(?=\{)/g) ?? [];
  return [...new Set(names.map(seriesOf))];
}
