import { metrics } from '../metrics/catalogue.ts';

/*
 * Processes of different versions talk to each other: `restart` starts workers of the code on disk below a supervisor
 * that is older, `upgrade` starts a new supervisor beside the old one. These count up when the messages, the plan or
 * the order of the catalogue changes in a way that the other side would misread.
 */

/** Between a supervisor and the one that replaces it. */
export const protocol = 1;
/** Between a supervisor and its workers. */
export const workerProtocol = 2;

/** How many series are known: the catalogue only grows at its end. */
export const series = metrics.length;

/** Why a worker cannot work below a supervisor with these numbers, or null. */
export function incompatibility(supervisor: { protocol: number; series: number }): string | null {
  if (supervisor.protocol === workerProtocol && supervisor.series >= series) return null;
  return 'the version on disk does not work below the supervisor that runs: use fly-edge upgrade';
}
