/** Latency as the clients measured it beside what the buckets of the edge's series can tell. */

import { type Page, select } from '../test/helpers/exposition.ts';
import type { Tally } from './tally.ts';

export interface Quantile {
  scenario: string;
  quantile: number;
  /** Milliseconds, all of them. */
  client: number;
  /** Interpolated as PromQL's histogram_quantile does. */
  series: number;
  /** The bucket that it was found in: above `low`, at most `high`. */
  low: number;
  high: number;
  /**
   * Where the client's lies. `above` says how busy the client was: its time holds the edge's, the relay's and its own
   * queue. `below` cannot be, since the edge's clock runs within the client's.
   */
  position: 'in the bucket' | 'above' | 'below';
}

export function quantiles(scenario: string, tally: Tally, series: Page): Quantile[] {
  const counts = new Map<number, number>();
  for (const { labels, value } of select(series, 'fly_edge_http_response_time_seconds_bucket')) {
    const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  const buckets = [...counts].toSorted(([a], [b]) => a - b);
  return [0.5, 0.9, 0.99].map((quantile) => {
    const client = tally.latency.getValueAtPercentile(quantile * 100) / 1000;
    const found = histogramQuantile(quantile, buckets);
    const position = client <= found.low ? 'below' : client > found.high ? 'above' : 'in the bucket';
    return { scenario, quantile, client, ...found, position };
  });
}

/** `buckets`: cumulative counts by upper bound in seconds, ascending, the last one +Inf. */
export function histogramQuantile(quantile: number, buckets: [bound: number, count: number][]) {
  const rank = quantile * (buckets.at(-1)?.[1] ?? 0);
  const at = Math.max(
    0,
    buckets.findIndex(([, count]) => count >= rank),
  );
  const [low, below] = buckets[at - 1] ?? [0, 0];
  const [high, count] = buckets[at] ?? [0, 0];
  const share = count > below ? (rank - below) / (count - below) : 1;
  const series = Number.isFinite(high) ? low + (high - low) * share : low;
  return { series: series * 1000, low: low * 1000, high: high * 1000 };
}
