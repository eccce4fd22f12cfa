/** The query API of the gateway: Prometheus' own, below `/prometheus/ORG/`. */

import { parseValue } from '../model/page-reader.ts';
import { type Expression, type Read, type Selection, toQuery } from '../model/read.ts';
import type { Row, Table } from '../model/table.ts';
import { now } from './clock.ts';
import { Failure, unreachable } from './failure.ts';
import type { Credentials } from './session.ts';
import type { Choices, Source, Span } from './source.ts';

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Points that a chart can show. */
const points = 240;
const steps = [1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 30 * minute, hour];
/** Seconds between two samples, as long as nothing tells of others: `fly-edge scrape-config`'s own. */
const usualInterval = 15;
/** Seconds of the past that a rate is taken over at least; of slow scrapes it takes two, so that no line has gaps. */
const shortestWindow = 30;
/** How far back samples are looked at for the time between them: further only where there is none lately. */
const recent = ['5m', '1h'];
/** A series of each organization with an app, whether there is traffic or not. */
const steady = 'fly_edge_tcp_connects_count';
/** An engine finds what it was given a second later: what is asked about this moment has one answer, now and later. */
const settled = 2;
/** Seconds that two clocks may differ: the server tells its own by the second, and the way takes time. */
const sameClock = 5;
const timeout = 20_000;
/** Queries at once: the gateway lets an organization have only some. */
const most = 4;
/** What has an app that can be chosen. */
const named = '{__name__=~"fly_edge_tcp_connects_count|fly_app_concurrency|fly_instance_up|fly_volume_size_bytes"}';

interface Matrix {
  metric: Record<string, string>;
  values?: [number, string][];
  value?: [number, string];
}

export class QuerySource implements Source {
  readonly name = 'The storage tier';
  readonly spans: readonly Span[] = [
    { label: '5 min', seconds: 5 * minute },
    { label: '15 min', seconds: 15 * minute },
    { label: '1 hour', seconds: hour },
    { label: '6 hours', seconds: 6 * hour },
    { label: '24 hours', seconds: day },
    { label: '7 days', seconds: 7 * day },
  ];
  readonly span = 15 * minute;
  readonly remark = '';
  readonly remembered = null;
  readonly since = null;
  readonly #url: string;
  readonly #token: string;
  #time = now() - settled;
  /** Seconds between two samples; null: none is known yet. */
  #interval: number | null = null;
  /** Seconds that the server's clock is ahead of the browser's. */
  #ahead = 0;
  #signal: AbortSignal = new AbortController().signal;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor({ org, token }: Credentials) {
    this.#url = `/prometheus/${org}/api/v1/`;
    this.#token = token.includes(' ') ? token : `Bearer ${token}`;
  }

  window(span: number): number {
    return Math.max(stepOf(span), this.#shortestWindow);
  }

  get #shortestWindow(): number {
    return Math.max(shortestWindow, 2 * (this.#interval ?? usualInterval));
  }

  interval(span: number): number {
    return Math.min(minute, Math.max(5, stepOf(span)));
  }

  answers(): true {
    return true;
  }

  /** One small question first: whether anyone answers, and the token is good. */
  async refresh(signal: AbortSignal): Promise<number> {
    this.#signal = signal;
    this.#interval = (await this.#measured()) ?? this.#interval;
    this.#time = now() + this.#ahead - settled;
    return this.#time;
  }

  /** Whole seconds between two samples, of most series; null: there are not two. */
  async #measured(): Promise<number | null> {
    for (const past of this.#interval === null ? recent : recent.slice(0, 1)) {
      const query = `median(scrape_interval(${steady}[${past}]))`;
      const { result } = await this.#ask<{ result: Matrix[] }>('query', { query });
      const seconds = finite(result[0]?.value?.[1] ?? '');
      if (seconds !== null && seconds > 0) return Math.round(seconds);
    }
    return null;
  }

  async choices(): Promise<Choices> {
    const asked = { 'match[]': named, start: String(Math.floor(this.#time - day)), end: String(Math.ceil(this.#time)) };
    const values = (label: string) => this.#ask<string[]>(`label/${label}/values`, asked);
    const [apps, regions] = await Promise.all([values('app'), values('region')]);
    return { apps, regions };
  }

  async range(read: Read | Expression, selection: Selection, span: number): Promise<Table> {
    const step = stepOf(span);
    const end = Math.floor(this.#time / step) * step;
    const start = end - Math.floor(span / step) * step;
    const query = toQuery(read, selection, this.window(span));
    const asked = { query, start: String(start), end: String(end), step: String(step) };
    const { result } = await this.#ask<{ result: Matrix[] }>('query_range', asked);
    const times = Array.from({ length: (end - start) / step + 1 }, (_, i) => start + i * step);
    const rows = result.map(({ metric, values = [] }): Row => {
      const row: Row = { labels: metric, values: times.map(() => null) };
      for (const [time, value] of values) row.values[Math.round((time - start) / step)] = finite(value);
      return row;
    });
    return { times, rows };
  }

  async now(read: Read | Expression, selection: Selection): Promise<Table> {
    const query = toQuery(read, selection, this.#shortestWindow);
    const { result } = await this.#ask<{ result: Matrix[] }>('query', { query, time: String(this.#time) });
    const rows = result.map(
      ({ metric, value }): Row => ({ labels: metric, values: [value ? finite(value[1]) : null] }),
    );
    return { times: [this.#time], rows };
  }

  async #ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
    await this.#place();
    try {
      const response = await fetch(this.#url + path, {
        method: 'POST',
        headers: { Authorization: this.#token },
        body: new URLSearchParams(parameters),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(timeout)]),
      });
      const ahead = Date.parse(response.headers.get('date') ?? '') / 1000 - now();
      this.#ahead = Math.abs(ahead) > sameClock ? ahead : 0;
      const body = await response.json().catch(() => ({}));
      if (response.ok && body.status === 'success') return body.data;
      throw new Failure(kindOf(response.status), `${response.status}, ${body.error ?? 'without a reason'}`);
    } catch (error) {
      throw unreachable(error);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #place(): Promise<void> {
    while (this.#running >= most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }
}

const stepOf = (span: number): number => steps.find((step) => span / step <= points) ?? steps.at(-1)!;

function finite(text: string): number | null {
  const value = parseValue(text);
  return value !== null && Number.isFinite(value) ? value : null;
}

function kindOf(status: number): Failure['kind'] {
  if (status === 401 || status === 403) return 'unauthorized';
  return status === 429 || status >= 500 ? 'unavailable' : 'refused';
}
