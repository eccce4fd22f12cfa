/** A process's own series, by their usual names (`process_*`, `nodejs_*`), which dashboards know. */

import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client';

/**
 * Starts to watch this process; once in its life, for its timers never end.
 * @param build name of the series whose label is the version.
 */
export function processRegistry(build: string, version: string): Registry {
  const register = new Registry();
  // The library wakes the process 110 times a second by default, to learn what a few times tell as well.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100, eventLoopUtilizationTimeout: 1000 });
  const info = new Gauge({
    name: build,
    help: 'The version that runs.',
    labelNames: ['version'],
    registers: [register],
  });
  info.set({ version }, 1);
  return register;
}

/** The library writes `Nan` for a mean of nothing; the format knows `NaN` only. */
export const renderRegistry = async (register: Registry): Promise<string> =>
  (await register.metrics()).replace(/ Nan$/gm, ' NaN');
