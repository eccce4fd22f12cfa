import { performance } from 'node:perf_hooks';

/**
 * Time for deadlines: milliseconds, as coarse as the sweep that advances it, and free to read.
 * What is measured for a histogram reads `performance.now()` instead.
 */
export const clock = { now: performance.now() };

/** How often deadlines are looked at; a deadline is met at most this much late. */
export const sweepInterval = 100;
