/** What may be asked, and with which parameters: nothing else reaches the engine. */

import { type Refusal, refusal } from './refusal.ts';

export interface Parameter {
  format: RegExp;
  /** What to write. */
  instruction: string;
  /** May be given several times. */
  repeated?: true;
  /** A query's text, or a part of it. */
  text?: true;
}

export interface Endpoint {
  /** The engine's own path, below its URL. */
  path: string;
  parameters: Readonly<Record<string, Parameter>>;
}

export interface Route {
  org: string;
  endpoint: Endpoint;
}

const parameter = (format: RegExp, instruction: string): Parameter => ({ format, instruction });

const query: Parameter = { ...parameter(/./s, 'a query in MetricsQL or PromQL'), text: true };
const matches: Parameter = { ...parameter(/./s, 'a series selector'), text: true, repeated: true };
const time = parameter(/^[\w.:+-]{1,40}$/, 'a time such as 1700000000.5, 2030-01-01T00:00:00Z or -1h');
const duration = parameter(/^[\w.]{1,40}$/, 'seconds, or a duration such as 30s');
const count = parameter(/^\d{1,9}$/, 'a whole number');
const flag = parameter(/^(0|1|true|false)$/, '0 or 1');
const label = parameter(/^[a-zA-Z_]\w{0,127}$/, 'the name of a label');
const date = parameter(/^\d{4}-\d{2}-\d{2}$/, 'a date such as 2030-01-01');
const word = parameter(/^\w{1,20}$/, 'a word');

const evaluation = {
  query,
  step: duration,
  timeout: duration,
  nocache: flag,
  round_digits: count,
  max_lookback: duration,
  lookback_delta: duration,
  limit: count,
  stats: word,
};
const range = { start: time, end: time };
const selection = { 'match[]': matches, ...range, limit: count, timeout: duration };

const endpoints: Readonly<Record<string, Endpoint>> = {
  'api/v1/query': { path: '/api/v1/query', parameters: { ...evaluation, time } },
  'api/v1/query_range': { path: '/api/v1/query_range', parameters: { ...evaluation, ...range } },
  'api/v1/series': { path: '/api/v1/series', parameters: selection },
  'api/v1/labels': { path: '/api/v1/labels', parameters: selection },
  'api/v1/status/tsdb': {
    path: '/api/v1/status/tsdb',
    parameters: { 'match[]': matches, topN: count, limit: count, date, focusLabel: label, timeout: duration },
  },
  federate: {
    path: '/federate',
    parameters: { 'match[]': matches, ...range, max_lookback: duration, timeout: duration },
  },
};

/**
 * `/prometheus/ORG/…`. Neither part needs an escape, so that none is read. Where clients put together a base URL, which may end
 * in a slash, and a path, two are one.
 */
const form = /^\/{1,2}prometheus\/{1,2}([a-z0-9-]{1,63})\/{1,2}(\w[\w/]{0,199})$/;
const labelValues = /^api\/v1\/label\/([a-zA-Z_]\w{0,127})\/values$/;

const notFound = refusal(404, 'not_found', 'there is nothing here: ask /prometheus/ORG/api/v1/query and its siblings');
const remoteRead = refusal(
  501,
  'unavailable',
  'remote read is not supported: it hands out raw samples around the query engine; use query, query_range or federate',
);

/** @param path as it was sent, up to the first `?`. */
export function route(path: string): Route | Refusal {
  const [, org = '', below = ''] = form.exec(path) ?? [];
  if (org === '') return notFound;
  if (below === 'api/v1/read') return remoteRead;
  if (Object.hasOwn(endpoints, below)) return { org, endpoint: endpoints[below]! };
  const [, name] = labelValues.exec(below) ?? [];
  if (name === undefined) return notFound;
  return { org, endpoint: { path: `/api/v1/label/${name}/values`, parameters: selection } };
}
