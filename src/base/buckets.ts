/** Upper bounds of the histograms' buckets, in seconds. */

/**
 * One set for connects, handshakes and responses: they are compared with each other, and one set may be summed over
 * everything. Steps of 2 to 3 bound the error of an interpolated quantile; a fast instance on the same machine answers
 * in less than a millisecond, and the longest that a default timeout lets a request wait is minutes.
 */
export const defaultBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

/** Each bucket is one series for each app, instance and status: more would drown the storage tier. */
export const maxBuckets = 60;

/** What is wrong with bounds that a user gave, and what to write; null when nothing is. */
export function bucketFault(bounds: readonly number[]): string | null {
  if (bounds.length === 0) return 'no bucket: give at least one upper bound in seconds, or leave buckets out';
  if (bounds.length > maxBuckets) return `${bounds.length} buckets: give at most ${maxBuckets}`;
  for (let i = 0; i < bounds.length; i++) {
    const bound = bounds[i];
    if (!(bound > 0 && bound < Infinity)) return `bucket ${bound}: give a positive number of seconds (+Inf is implied)`;
    if (i > 0 && bound <= bounds[i - 1]) return `bucket ${bound} after ${bounds[i - 1]}: give them in rising order`;
  }
  return null;
}
