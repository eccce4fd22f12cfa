/** What the series moved by, in few words, with what must hold for every one of them checked along. */

import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { Edge } from './edge.ts';
import { type Page, sum } from './exposition.ts';
import { until } from './until.ts';

/**
 * Counts by short name, those that moved: `edge 200` and `app 200` (responses by status), `error CODE`, `edge connects`,
 * `app connects`, `bytes in`, `bytes out`, `soft`, `hard`, `handshake TLSv1.3`, `handshake failed`. Those of `app=""` begin with `unnamed `.
 */
export type Moved = Record<string, number>;

const names: Record<string, (labels: Record<string, string>) => string> = {
  fly_edge_http_responses_count: ({ status }) => `edge ${status}`,
  fly_app_http_responses_count: ({ status }) => `app ${status}`,
  fly_edge_error_count: ({ code }) => `error ${code}`,
  fly_edge_tcp_connects_count: () => 'edge connects',
  fly_app_tcp_connects_count: () => 'app connects',
  fly_edge_data_in: () => 'bytes in',
  fly_edge_data_out: () => 'bytes out',
  fly_app_soft_limit_reached_count: () => 'soft',
  fly_app_hard_limit_reached_count: () => 'hard',
  fly_edge_tls_handshake_time_seconds_count: ({ version }) => `handshake ${version}`,
  fly_edge_tls_handshake_errors: () => 'handshake failed',
};

const incidental = /connects$|bytes (in|out)$/;

/** Pairs that are equal by status once nothing is in flight. */
const timed: [count: string, time: string][] = [
  ['fly_edge_http_responses_count', 'fly_edge_http_response_time_seconds_count'],
  ['fly_app_http_responses_count', 'fly_app_http_response_time_seconds_count'],
];

export class Watch {
  readonly #edge: Edge;
  readonly #before: Moved;
  readonly #lines: number;

  private constructor(edge: Edge, before: Moved) {
    this.#edge = edge;
    this.#before = before;
    this.#lines = edge.log.length;
  }

  /** Waits until nothing is in flight. */
  static async begin(edge: Edge): Promise<Watch> {
    const before = (await until(async () => {
      const page = await edge.scrape();
      return unrest(page).length === 0 ? counts(page) : null;
    }, 'nothing in flight'))!;
    return new Watch(edge, before);
  }

  /**
   * Fails unless, within a deadline, nothing is in flight any more and exactly these counts moved; connects and bytes are
   * compared only when named. Each error that was counted must have its log line.
   */
  async moved(expected: Moved): Promise<void> {
    let last: unknown;
    const nonzero = Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== 0));
    const wanted = { ...nonzero, unrest: [], lines: errorsOf(expected) };
    await until(async () => {
      const page = await this.#edge.scrape();
      const now = difference(counts(page), this.#before);
      for (const name of Object.keys(now)) if (incidental.test(name) && !(name in expected)) delete now[name];
      last = { ...now, unrest: unrest(page), lines: linesByCode(this.#edge, this.#lines) };
      return isDeepStrictEqual(last, wanted);
    }, '').catch(() => {});
    expect(last).toEqual(wanted);
  }
}

function counts(page: Page): Moved {
  const all: Moved = {};
  for (const [name, short] of Object.entries(names)) {
    for (const { labels, value } of page.get(name) ?? []) {
      const key = `${labels.app === '' ? 'unnamed ' : ''}${short(labels)}`;
      all[key] = (all[key] ?? 0) + value;
    }
  }
  return all;
}

function difference(after: Moved, before: Moved): Moved {
  const pairs = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== 0));
}

/** What is still in flight, or was not counted as the series promise. */
function unrest(page: Page): string[] {
  const found: string[] = [];
  const open = sum(page, 'fly_edge_tcp_connects_count') - sum(page, 'fly_edge_tcp_disconnects_count');
  if (open !== 0) found.push(`${open} clients`);
  const inFlight = sum(page, 'fly_app_concurrency');
  if (inFlight !== 0) found.push(`concurrency ${inFlight}`);
  for (const [count, time] of timed) {
    for (const { labels, value } of page.get(count) ?? []) {
      const ended = sum(page, time, labels);
      if (ended !== value) found.push(`${count} ${JSON.stringify(labels)}: ${value} begun, ${ended} ended`);
    }
  }
  const connects = sum(page, 'fly_app_tcp_connects_count');
  const times = sum(page, 'fly_app_connect_time_seconds_count');
  if (connects !== times) found.push(`${connects} connects to instances, ${times} timed`);
  return found;
}

/** Error log lines by code. */
function linesByCode(edge: Edge, from: number): Moved {
  const lines: Moved = {};
  for (const { code, msg, leftOut = 1 } of edge.log.slice(from)) {
    if (typeof code !== 'string') continue;
    if (msg === 'request failed' || msg === 'lines about failed requests were left out')
      lines[code] = (lines[code] ?? 0) + Number(leftOut);
  }
  return lines;
}

/** The log lines that go with the counted errors. */
function errorsOf(moved: Moved): Moved {
  const lines: Moved = {};
  for (const [name, value] of Object.entries(moved)) {
    const code = /^(?:unnamed )?error (.*)$/.exec(name)?.[1];
    if (code !== undefined) lines[code] = (lines[code] ?? 0) + value;
  }
  return lines;
}
