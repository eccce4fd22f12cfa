/** Response counters and times by status, without strings on the hot path. */

import { bornStatuses, MetricId } from './catalogue.ts';
import type { Recorder } from './recorder.ts';
import { statusLabel } from './status-label.ts';

const firstStatus = 100;
/** A status has three digits (RFC 9112 4), even where nobody defined it: 100 to 999. Those of one label share a series. */
const statuses = 900;
const unresolved = -1;

const metricsOf = {
  edge: { responses: MetricId.edgeHttpResponses, time: MetricId.edgeHttpResponseTime },
  app: { responses: MetricId.appHttpResponses, time: MetricId.appHttpResponseTime },
} as const;

type Scope = keyof typeof metricsOf;

/** One for each app (`edge`, labels [app]) and for each of its instances (`app`, labels [app, instance]). */
export class StatusSeries {
  readonly #recorder: Recorder;
  readonly #scope: Scope;
  readonly #labels: readonly string[];
  readonly #responses = new Int32Array(statuses).fill(unresolved);
  readonly #time = new Int32Array(statuses).fill(unresolved);

  /** Makes the counters that are born at 0. */
  constructor(recorder: Recorder, scope: Scope, labels: readonly string[]) {
    this.#recorder = recorder;
    this.#scope = scope;
    this.#labels = labels;
    for (const status of bornStatuses[scope]) this.responses(status);
  }

  /** Index of the counter. @param status 100 to 999. */
  responses(status: number): number {
    const index = this.#responses[status - firstStatus];
    if (index >= 0) return index;
    return this.#resolve(this.#responses, metricsOf[this.#scope].responses, status);
  }

  /** Index of the histogram. @param status 100 to 999. */
  time(status: number): number {
    const index = this.#time[status - firstStatus];
    if (index >= 0) return index;
    return this.#resolve(this.#time, metricsOf[this.#scope].time, status);
  }

  #resolve(indexes: Int32Array, metric: number, status: number): number {
    const index = this.#recorder.series(metric, [...this.#labels, statusLabel(status)]);
    indexes[status - firstStatus] = index;
    return index;
  }
}
