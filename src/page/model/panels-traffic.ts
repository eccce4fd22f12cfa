import { heat, quantilesOver } from './buckets.ts';
import { line, linesOf, moved, type Panel, type Tables } from './panel.ts';
import type { Read } from './read.ts';
import { type StatusClass, statusClass, statusClasses } from './status.ts';
import { combine, type Row, regroup, total } from './table.ts';
import type { Line, Tone } from './view.ts';

const rate = (metric: string, ...by: string[]): Read => ({ metric, as: 'rate', by });
const late = (metric: string, ...by: string[]): Read => ({ metric, as: 'rate', late: true, by });
const value = (metric: string, ...by: string[]): Read => ({ metric, as: 'value', by });

const noTraffic = 'No request yet.';
const times = late('fly_edge_http_response_time_seconds_bucket', 'le');

/** What is usual is plain. */
const classes: Record<StatusClass, { label: string; tone: Tone; pattern: number }> = {
  '1xx': { label: '1xx upgrade', tone: 'quiet', pattern: 5 },
  '2xx': { label: '2xx success', tone: 'good', pattern: 0 },
  '3xx': { label: '3xx redirect', tone: 'info', pattern: 3 },
  '4xx': { label: '4xx client error', tone: 'warn', pattern: 1 },
  '5xx': { label: '5xx server error', tone: 'bad', pattern: 4 },
};

function byClass(tables: Tables): Line[] {
  const grouped = regroup(tables.responses!, ({ status = '' }) => {
    const found = statusClass(status);
    return found === null ? null : { class: found };
  });
  return statusClasses.flatMap((name) => {
    const row = grouped.rows.find(({ labels }) => labels.class === name);
    const { label, tone, pattern } = classes[name];
    return row === undefined ? [] : [line(label, row.values, tone, pattern)];
  });
}

export const trafficPanels: readonly Panel[] = [
  {
    id: 'responses',
    title: 'Responses by status',
    help: 'Final responses to clients, the edge’s own included.',
    reads: { responses: rate('fly_edge_http_responses_count', 'status') },
    empty: noTraffic,
    view: (tables) => ({ kind: 'stack', unit: 'per second', times: tables.responses!.times, lines: byClass(tables) }),
  },
  {
    id: 'errors',
    title: 'Errors of the edge itself',
    help: 'Requests that it refused, and connections that it closed, by code.',
    reads: { errors: { ...rate('fly_edge_error_count', 'code'), top: 8 } },
    empty: 'None in this time.',
    view: ({ errors }) => ({
      kind: 'stack',
      unit: 'per second',
      times: errors!.times,
      lines: linesOf(moved(errors!.rows), 'code'),
    }),
  },
  {
    id: 'latency',
    title: 'Response time',
    help: 'From a request’s first byte to its response’s last; interpolated within buckets.',
    reads: { times },
    empty: noTraffic,
    view: ({ times }) => ({
      kind: 'lines',
      logarithmic: true,
      unit: 'seconds',
      times: times!.times,
      lines: [
        line('p50', quantilesOver(times!, 0.5), 'a', 0),
        line('p90', quantilesOver(times!, 0.9), 'b', 1),
        line('p99', quantilesOver(times!, 0.99), 'c', 2),
      ],
    }),
  },
  {
    id: 'heat',
    title: 'Response time, all of it',
    help: 'A row for each bucket: the stronger the colour, the more responses.',
    reads: { times },
    empty: noTraffic,
    view: ({ times }) => ({ kind: 'heat', unit: 'per second', times: times!.times, ...heat(times!) }),
  },
  {
    id: 'bytes',
    title: 'Bytes',
    help: 'TCP payload of clients’ connections, TLS records and heads included.',
    reads: { in: rate('fly_edge_data_in'), out: rate('fly_edge_data_out') },
    empty: noTraffic,
    view: (tables) => ({
      kind: 'lines',
      unit: 'bytes per second',
      times: tables.out!.times,
      lines: [line('out to clients', total(tables.out!), 'a', 0), line('in from clients', total(tables.in!), 'b', 1)],
    }),
  },
  {
    id: 'open',
    title: 'Open connections',
    help: 'Clients’ connections whose app is known: connects minus disconnects.',
    reads: { connects: value('fly_edge_tcp_connects_count'), disconnects: value('fly_edge_tcp_disconnects_count') },
    empty: 'No connection yet.',
    view: ({ connects, disconnects }) => ({
      kind: 'lines',
      unit: 'count',
      times: connects!.times,
      lines: [
        line(
          'open',
          combine(total(connects!), total(disconnects!), (a, b) => a - b),
          'a',
          0,
        ),
      ],
    }),
  },
  {
    id: 'connections',
    title: 'Connections',
    help: 'Opened and closed by clients, or by the edge.',
    reads: { connects: rate('fly_edge_tcp_connects_count'), disconnects: rate('fly_edge_tcp_disconnects_count') },
    empty: 'No connection yet.',
    view: ({ connects, disconnects }) => ({
      kind: 'lines',
      unit: 'per second',
      times: connects!.times,
      lines: [line('opened', total(connects!), 'a', 0), line('closed', total(disconnects!), 'b', 1)],
    }),
  },
  {
    id: 'handshakes',
    title: 'TLS handshakes',
    help: 'Finished ones by version, and those that were begun and not finished.',
    reads: {
      finished: late('fly_edge_tls_handshake_time_seconds_count', 'version'),
      failed: late('fly_edge_tls_handshake_errors'),
    },
    empty: 'No TLS handshake yet.',
    view: ({ finished, failed }) => {
      const failures: Row[] = failed!.rows.length === 0 ? [] : [{ labels: {}, values: total(failed!) }];
      return {
        kind: 'lines',
        unit: 'per second',
        times: finished!.times,
        lines: [
          ...linesOf(finished!.rows, 'version'),
          ...failures.map(({ values }) => line('failed', values, 'bad', finished!.rows.length)),
        ],
      };
    },
  },
  {
    id: 'handshake-time',
    title: 'TLS handshake time',
    help: 'From accept until the handshake was finished.',
    reads: { times: late('fly_edge_tls_handshake_time_seconds_bucket', 'le') },
    empty: 'No TLS handshake in this time.',
    view: ({ times }) => ({
      kind: 'lines',
      logarithmic: true,
      unit: 'seconds',
      times: times!.times,
      lines: [line('p50', quantilesOver(times!, 0.5), 'a', 0), line('p95', quantilesOver(times!, 0.95), 'b', 1)],
    }),
  },
];
