import type { EdgeError } from './errors.ts';
import type { Reporter } from './reporter.ts';
import type { EdgeSeries } from './series.ts';

/** What an error was about, as far as it is known; '' for none. */
export interface About {
  /** Id of the instance that was tried last. */
  instance?: string;
  /** Id of the request. */
  request?: string;
  detail?: string;
}

/** Counts an error and has its line written, so that there is never one without the other. Some errors are neither: see the table. */
export function report(error: EdgeError, series: EdgeSeries, reporter: Reporter, about: About = {}): void {
  if (!error.counted) return;
  const { instance = '', request = '', detail = '' } = about;
  series.failed(error);
  reporter.error(error, series.app, instance, request, detail);
}
