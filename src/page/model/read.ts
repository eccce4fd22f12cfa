/** What a panel asks for, whether the live store or the query API answers it. */

import type { Labels } from './page-reader.ts';

export interface Read {
  /** Name of the series; of a histogram, with `_bucket` or `_count`. */
  metric: string;
  /** A counter's growth for each second, or the value itself. */
  as: 'rate' | 'value';
  /** Its series come up with their first event, not at 0: what they come with has grown since the scrape before. */
  late?: true;
  /** What rows are told apart by. */
  by: readonly string[];
  /** How series with the same `by` become one; `sum` without it. */
  combine?: 'sum' | 'max';
  /** Further labels that a series must have: one value, or one of several. */
  where?: Readonly<Record<string, string | readonly string[]>>;
  /** The highest so many rows, and the sum of all others as one with `others` in the last label of `by`. */
  top?: number;
  /** The other rows' sum would say nothing. */
  sumless?: true;
}

/** What only a storage tier can answer, in PromQL of its own. */
export interface Expression {
  /** @param where matchers, between braces. @param window of a rate, such as `60s`. */
  promql: (where: string, window: string) => string;
  by: readonly string[];
  top?: number;
}

/** The name of the row that stands for all rows that are not shown. */
export const others = 'all others';

/** What is chosen at the top of the page; undefined: all. */
export interface Selection {
  app?: string | undefined;
  region?: string | undefined;
  /** A part of the instance's id. */
  instance?: string | undefined;
}

/** Whether a series belongs to what is chosen. */
export function matches(labels: Labels, selection: Selection, where: Read['where'] = {}): boolean {
  const { app, region, instance } = selection;
  // Slots carry the traffic of all apps.
  if (app !== undefined && labels.app !== undefined && labels.app !== app) return false;
  if (region !== undefined && labels.region !== region) return false;
  if (instance !== undefined && labels.instance !== undefined && !labels.instance.includes(instance)) return false;
  return Object.entries(where).every(([name, wanted]) =>
    typeof wanted === 'string' ? (labels[name] ?? '') === wanted : wanted.includes(labels[name] ?? ''),
  );
}

/** In PromQL (`topk_max` and `increase_pure` are MetricsQL). @param window of a rate, seconds. */
export function toQuery(read: Read | Expression, selection: Selection, window: number): string {
  if ('promql' in read) {
    const query = read.promql(matchersOf(selection).join(','), `${window}s`);
    return read.top === undefined ? query : `topk_max(${read.top}, ${query})`;
  }
  const { as, by, combine = 'sum' } = read;
  const series = `${read.metric}${selector(read, selection)}`;
  const rate = read.late ? lateRate(series, by, selection, window) : `rate(${series}[${window}s])`;
  const inner = as === 'rate' ? rate : series;
  const query = by.length === 0 ? `${combine}(${inner})` : `${combine} by (${by.join(', ')}) (${inner})`;
  if (read.top === undefined) return query;
  const rest = read.sumless ? '' : `, ${quote(`${by.at(-1)}=${others}`)}`;
  return `topk_max(${read.top}, ${query}${rest})`;
}

/**
 * `rate` needs a series twice, and misses what it came with. An edge that was scraped when the window began, and had no such
 * series, was at 0: that it was scraped is known by a series that each one has from the start. Of others there is a rate. The sums
 * come first: engines make them one series at a time, and would hold all at once for the `and`.
 */
function lateRate(series: string, by: readonly string[], { region }: Selection, window: number): string {
  const sum = `sum by (${[...new Set([...by, 'region', 'host'])].join(', ')})`;
  const known = `count by (region, host) (fly_edge_tcp_connects_count{${matchersOf({ region }).join(',')}} offset ${window}s)`;
  const grown = `${sum} (increase_pure(${series}[${window}s])) and on (region, host) ${known}`;
  return `(${grown}) / ${window} or ${sum} (rate(${series}[${window}s]))`;
}

function selector({ metric, by, where = {} }: Read, selection: Selection): string {
  const perInstance = by.includes('instance');
  const matchers = matchersOf({
    ...selection,
    app: metric.startsWith('fly_slot_') ? undefined : selection.app,
    instance: perInstance ? selection.instance : undefined,
  });
  for (const [name, wanted] of Object.entries(where)) {
    matchers.push(
      typeof wanted === 'string' ? `${name}=${quote(wanted)}` : `${name}=~${quote(wanted.map(escapeRegex).join('|'))}`,
    );
  }
  return matchers.length === 0 ? '' : `{${matchers.join(',')}}`;
}

/** `app="demo"`, …: what is between a selector's braces. */
export function matchersOf({ app, region, instance }: Selection): string[] {
  return [
    ...(app === undefined ? [] : [`app=${quote(app)}`]),
    ...(region === undefined ? [] : [`region=${quote(region)}`]),
    ...(instance === undefined || instance === '' ? [] : [`instance=~${quote(`.*${escapeRegex(instance)}.*`)}`]),
  ];
}

/** PromQL's double-quoted strings have JSON's escapes. */
const quote = (text: string): string => JSON.stringify(text);

const escapeRegex = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
