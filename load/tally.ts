/** What the clients of a scenario counted. */

import { build, type Histogram } from 'hdr-histogram-js';

export class Tally {
  /** Responses received, by status. */
  readonly statuses = new Map<string, number>();
  /** Microseconds from the request's first byte, or the connection's start, to the response's last byte. */
  readonly latency: Histogram = build({ highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: 3 });
  /** Bytes of request bodies sent. */
  bodies = 0;

  /** Connections that failed, and requests that timed out. */
  failures = 0;

  add(status: number, milliseconds: number, body = 0): void {
    this.statuses.set(String(status), (this.statuses.get(String(status)) ?? 0) + 1);
    this.latency.recordValue(Math.max(1, Math.round(milliseconds * 1000)));
    this.bodies += body;
  }

  /** What another tally counted too. */
  merge(other: Tally): void {
    for (const [status, count] of other.statuses) this.statuses.set(status, (this.statuses.get(status) ?? 0) + count);
    this.latency.add(other.latency);
    this.bodies += other.bodies;
    this.failures += other.failures;
  }
}
