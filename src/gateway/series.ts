/** What the gateway knows of itself: born at 0, like the edge's. */

import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';
import { defaultBuckets } from '../base/buckets.ts';

/** Statuses that an organization's clients may get in ordinary life. */
const bornStatuses = [200, 400, 401, 403, 404, 422, 429, 502, 503];

export class GatewaySeries {
  readonly #requests: Counter<'org' | 'status'>;
  readonly #times: Histogram<'org'>;
  readonly #running: Gauge<'org'>;
  readonly #condemned: Counter<'org'>;
  readonly #ends: Record<'engine' | 'scraper', Counter>;
  /** Slugs of the organizations that there are, or were: no other name becomes a label. */
  readonly #orgs = new Set<string>();

  constructor(register: Registry) {
    const registers = [register];
    this.#requests = new Counter({
      name: 'fly_gateway_requests_count',
      help: 'Requests answered, by organization (empty: none that there is) and status.',
      labelNames: ['org', 'status'],
      registers,
    });
    this.#times = new Histogram({
      name: 'fly_gateway_request_time_seconds',
      help: "From a request's head until its answer's last byte, or its end.",
      labelNames: ['org'],
      buckets: [...defaultBuckets],
      registers,
    });
    this.#running = new Gauge({
      name: 'fly_gateway_queries',
      help: 'Queries in the engine, or waiting for it.',
      labelNames: ['org'],
      registers,
    });
    this.#condemned = new Counter({
      name: 'fly_gateway_condemned_count',
      help: 'Texts that ended the engine twice, the second time alone, and are refused since.',
      labelNames: ['org'],
      registers,
    });
    const ends = (which: string) =>
      new Counter({
        name: `fly_gateway_${which}_ends_count`,
        help: `How often the ${which} that the gateway started has ended of itself, and was started again.`,
        registers,
      });
    this.#ends = { engine: ends('engine'), scraper: ends('scraper') };
    this.#times.zero({ org: '' });
  }

  /** Those of new organizations begin; those of all others go on. */
  add(orgs: Iterable<string>): void {
    for (const org of orgs) {
      if (this.#orgs.has(org)) continue;
      this.#orgs.add(org);
      for (const status of bornStatuses) this.#requests.inc({ org, status: String(status) }, 0);
      this.#times.zero({ org });
      this.#running.set({ org }, 0);
      this.#condemned.inc({ org }, 0);
    }
  }

  answered(asked: string, status: number, milliseconds: number): void {
    const org = this.#orgs.has(asked) ? asked : '';
    this.#requests.inc({ org, status: String(status) });
    this.#times.observe({ org }, milliseconds / 1000);
  }

  running(org: string, change: 1 | -1): void {
    this.#running.inc({ org }, change);
  }

  condemned(org: string): void {
    this.#condemned.inc({ org });
  }

  ended(which: 'engine' | 'scraper'): void {
    this.#ends[which].inc();
  }
}
