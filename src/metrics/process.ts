/** The supervisor's own series, by their usual names (`process_*`, `nodejs_*`), which dashboards know. */

import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client';

/** Starts to watch this process; once in its life, for its timers never end. The result renders them. */
export function processSeries(version: string): () => Promise<string> {
  const register = new Registry();
  // The library wakes the process 110 times a second by default, to learn what a few times tell as well.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100, eventLoopUtilizationTimeout: 1000 });
  const name = 'fly_supervisor_build_info';
  const info = new Gauge({ name, help: "The supervisor's version.", labelNames: ['version'], registers: [register] });
  info.set({ version }, 1);
  // The library writes `Nan` for a mean of nothing; the format knows `NaN` only.
  return async () => (await register.metrics()).replace(/ Nan$/gm, ' NaN');
}
