import { workerProtocol } from '../base/protocol.ts';
import { metrics } from '../metrics/catalogue.ts';

/** How many series are known: the catalogue only grows at its end. */
export const series = metrics.length;

/** Why a worker cannot work below a supervisor with these numbers, or null. */
export function incompatibility(supervisor: { protocol: number; series: number }): string | null {
  if (supervisor.protocol === workerProtocol && supervisor.series >= series) return null;
  return 'the version on disk does not work below the supervisor that runs: use fly-edge upgrade';
}
