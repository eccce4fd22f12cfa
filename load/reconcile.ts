/** Puts side by side what the clients counted, what the instances counted and what the series say. */

import { type Page, type Sample, select, sum } from '../test/helpers/exposition.ts';
import type { InstanceCounts } from './instance.ts';
import type { Relay } from './relay.ts';
import type { Scenario } from './scenarios/scenario.ts';
import type { Tally } from './tally.ts';

export interface Row {
  scenario: string;
  measure: string;
  /** What should have happened, by each party that can know it: null when it cannot. */
  asked: number | null;
  clients: number | null;
  instances: number | null;
  series: number | null;
  /** All that are known are equal. */
  equal: boolean;
}

/** What a scenario moved: each count is a difference between its end and its beginning, but for `after`. */
export interface Moved {
  requests: number;
  tally: Tally;
  relay: Pick<Relay, 'opened' | 'closed' | 'sent' | 'received' | 'resets'>;
  /** Connections with TLS; all of a secure scenario's without it. */
  handshakes?: number;
  instances: Map<string, InstanceCounts>;
  series: Page;
  /** The page at the end, for gauges. */
  after: Page;
}

export function reconcile(scenario: Scenario, moved: Moved): Row[] {
  const rows: Row[] = [];
  const { relay, tally, series, requests } = moved;
  const row = (measure: string, counts: Partial<Pick<Row, 'asked' | 'clients' | 'instances' | 'series'>>) => {
    const all = { asked: null, clients: null, instances: null, series: null, ...counts };
    const known = Object.values(all).filter((count) => count !== null);
    if (known.every((count) => count === 0)) return;
    rows.push({ scenario: scenario.name, measure, ...all, equal: known.every((count) => count === known[0]) });
  };

  const edge = {
    begun: by(series, 'fly_edge_http_responses_count', 'status'),
    timed: by(series, 'fly_edge_http_response_time_seconds_count', 'status'),
    errors: by(series, 'fly_edge_error_count', 'code'),
  };
  for (const status of keys(tally.statuses, edge.begun, edge.timed, new Map([[String(scenario.status), 0]]))) {
    const asked = status === String(scenario.status) ? requests : (scenario.also?.get(status) ?? 0);
    const clients = tally.statuses.get(status) ?? 0;
    row(`responses ${status}`, { asked, clients, series: edge.begun.get(status) ?? 0 });
    row(`responses ${status}, timed`, { clients, series: edge.timed.get(status) ?? 0 });
  }
  for (const code of keys(edge.errors, new Map(scenario.code === null ? [] : [[scenario.code, 0]]))) {
    row(`errors ${code}`, { asked: code === scenario.code ? requests : 0, series: edge.errors.get(code) ?? 0 });
  }

  row('failures', { asked: 0, clients: tally.failures });
  const connects = sum(series, 'fly_edge_tcp_connects_count');
  row('connects', { clients: relay.opened, series: connects });
  row('disconnects', { clients: relay.closed, series: sum(series, 'fly_edge_tcp_disconnects_count') });
  const handshakes = sum(series, 'fly_edge_tls_handshake_time_seconds_count');
  row('TLS handshakes', { clients: moved.handshakes ?? (scenario.secure ? relay.opened : 0), series: handshakes });
  row('TLS handshake errors', { asked: 0, series: sum(series, 'fly_edge_tls_handshake_errors') });
  // After a reset what was written may never have been read: design of the series, docs/metrics.md.
  const data = { in: sum(series, 'fly_edge_data_in'), out: sum(series, 'fly_edge_data_out') };
  if (relay.resets === 0 || data.in > relay.sent) row('bytes in', { clients: relay.sent, series: data.in });
  if (relay.resets === 0 || data.out < relay.received) row('bytes out', { clients: relay.received, series: data.out });

  let bodies = 0;
  for (const [instance, counts] of moved.instances) {
    const of = (name: string) => sum(series, name, { instance });
    const begun = by(series, 'fly_app_http_responses_count', 'status', { instance });
    const timed = by(series, 'fly_app_http_response_time_seconds_count', 'status', { instance });
    const answered = new Map(Object.entries(counts.responses));
    for (const status of keys(answered, begun, timed)) {
      const instances = answered.get(status) ?? 0;
      row(`${instance}: responses ${status}`, { instances, series: begun.get(status) ?? 0 });
      row(`${instance}: responses ${status}, timed`, { instances, series: timed.get(status) ?? 0 });
    }
    row(`${instance}: connects`, { instances: counts.opened, series: of('fly_app_tcp_connects_count') });
    row(`${instance}: connects, timed`, { instances: counts.opened, series: of('fly_app_connect_time_seconds_count') });
    row(`${instance}: disconnects`, { instances: counts.closed, series: of('fly_app_tcp_disconnects_count') });
    bodies += counts.bodies;
  }
  row('request bodies, bytes', { clients: tally.bodies, instances: bodies });
  row('in flight at the end', { asked: 0, series: sum(moved.after, 'fly_app_concurrency') });
  return rows;
}

/** What grew from one page to the next; a series that is new grew from 0. */
export function difference(before: Page, after: Page): Page {
  const key = ({ labels }: Sample) => JSON.stringify(Object.entries(labels).sort());
  return new Map(
    [...after].map(([name, samples]) => {
      const earlier = new Map((before.get(name) ?? []).map((sample) => [key(sample), sample.value]));
      return [name, samples.map((s) => ({ labels: s.labels, value: s.value - (earlier.get(key(s)) ?? 0) }))];
    }),
  );
}

/** What an instance counted from one reading to the next. */
export function since(before: InstanceCounts, after: InstanceCounts): InstanceCounts {
  const responses = Object.entries(after.responses).map(([status, count]) => [
    status,
    count - (before.responses[status] ?? 0),
  ]);
  return {
    responses: Object.fromEntries(responses),
    opened: after.opened - before.opened,
    closed: after.closed - before.closed,
    bodies: after.bodies - before.bodies,
  };
}

function by(page: Page, name: string, label: string, filter: Record<string, string> = {}): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of select(page, name, filter)) {
    const key = labels[label] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

const keys = (...maps: Map<string, unknown>[]): string[] =>
  [...new Set(maps.flatMap((map) => [...map.keys()]))].toSorted();
