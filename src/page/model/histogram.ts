/** Histograms with classic buckets: cumulative counts, or their rates, by upper bound `le`. */

import { parseValue } from './page-reader.ts';

export interface Bucket {
  /** Upper bound, seconds; the last is Infinity. */
  le: number;
  /** Observations up to the bound: cumulative. */
  count: number;
}

/** NaN for what is none. */
export const parseBound = (le: string): number => parseValue(le) ?? NaN;

/**
 * Value below which the share `q` of the observations lies, as PromQL's `histogram_quantile` says it: linear within a bucket;
 * the highest finite bound when it lies above that one.
 * @param buckets in rising order.
 * @returns null without observations.
 */
export function quantile(q: number, buckets: readonly Bucket[]): number | null {
  const total = buckets.at(-1)?.count ?? 0;
  if (buckets.length < 2 || buckets.at(-1)!.le !== Infinity || !(total > 0)) return null;
  const counts = risen(buckets);
  const rank = q * total;
  const at = counts.findIndex((count) => count >= rank);
  if (at < 0 || at === buckets.length - 1) return buckets.at(-2)!.le;
  const end = buckets[at]!.le;
  if (at === 0 && end <= 0) return end;
  const start = at === 0 ? 0 : buckets[at - 1]!.le;
  const below = at === 0 ? 0 : counts[at - 1]!;
  const within = counts[at]! - below;
  return within === 0 ? end : start + (end - start) * ((rank - below) / within);
}

/** Cumulative counts never fall; those of floating-point rates may, a little. */
function risen(buckets: readonly Bucket[]): number[] {
  let most = 0;
  return buckets.map(({ count }) => (most = Math.max(most, count)));
}

/** A smaller share of all observations is what rates lose in rounding. */
const rounding = 1e-9;

/** What each bucket has alone. */
export function densities(buckets: readonly Bucket[]): number[] {
  const counts = risen(buckets);
  const least = rounding * (counts.at(-1) ?? 0);
  return counts.map((count, i) => count - (counts[i - 1] ?? 0)).map((alone) => (alone > least ? alone : 0));
}
