import type { Limits } from '../config/plan.ts';
import { errors } from './errors.ts';
import { report } from './report.ts';
import type { Reporter } from './reporter.ts';
import type { EdgeSeries } from './series.ts';
import type { ClientConnection } from './transport/client-connection.ts';

export type AdmissionLimits = Pick<Limits, 'connections' | 'connectionsPerApp'>;

/** How many connections a worker has, in all and of each app. One that is too much is counted, told, and ended with RST. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #reporter: Reporter;
  readonly #unnamed: EdgeSeries;
  #open = 0;
  readonly #openOf = new Map<EdgeSeries, number>();

  /** @param unnamed what connections without an app are counted in. */
  constructor(limits: AdmissionLimits, reporter: Reporter, unnamed: EdgeSeries) {
    this.#limits = limits;
    this.#reporter = reporter;
    this.#unnamed = unnamed;
  }

  /** Open now. */
  get open(): number {
    return this.#open;
  }

  /** @returns whether it may stay. */
  accepted(connection: ClientConnection): boolean {
    return ++this.#open <= this.#limits.connections || this.#refuse(connection, this.#unnamed);
  }

  /** Its app is known. @returns whether it may stay. */
  named(connection: ClientConnection, series: EdgeSeries): boolean {
    const open = (this.#openOf.get(series) ?? 0) + 1;
    this.#openOf.set(series, open);
    return open <= this.#limits.connectionsPerApp || this.#refuse(connection, series);
  }

  /** @param series null when it never had an app. */
  closed(series: EdgeSeries | null): void {
    this.#open--;
    const open = series === null ? undefined : this.#openOf.get(series);
    if (open !== undefined) this.#openOf.set(series!, open - 1);
  }

  #refuse(connection: ClientConnection, series: EdgeSeries): false {
    report(errors.connectionLimit, series, this.#reporter, { detail: connection.client.address });
    connection.reset();
    return false;
  }
}
