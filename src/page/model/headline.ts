/** The numbers at the top of the page. */

import { bucketsAt } from './buckets.ts';
import type { Unit } from './format.ts';
import { quantile } from './histogram.ts';
import type { Read } from './read.ts';
import { statusClass } from './status.ts';
import { latest, type Table, total, type Value } from './table.ts';

export const headlineReads = {
  responses: { metric: 'fly_edge_http_responses_count', as: 'rate', by: ['status'] },
  times: { metric: 'fly_edge_http_response_time_seconds_bucket', as: 'rate', late: true, by: ['le'] },
  connects: { metric: 'fly_edge_tcp_connects_count', as: 'value', by: [] },
  disconnects: { metric: 'fly_edge_tcp_disconnects_count', as: 'value', by: [] },
} as const satisfies Record<string, Read>;

export interface Headline {
  id: 'requests' | 'errors' | 'p99' | 'open';
  label: string;
  unit: Unit;
  value: Value;
}

/** @param tables what `headlineReads` gave, at one time. */
export function headlines(tables: Readonly<Record<keyof typeof headlineReads, Table>>): Headline[] {
  const all = latest({ values: total(tables.responses) });
  const failed = tables.responses.rows.filter(({ labels }) => statusClass(labels.status ?? '') === '5xx');
  const errors = failed.reduce((sum, row) => sum + (latest(row) ?? 0), 0);
  const [opened, closed] = [tables.connects, tables.disconnects].map((table) => latest({ values: total(table) }));
  return [
    { id: 'requests', label: 'Requests', unit: 'per second', value: all },
    { id: 'errors', label: 'Answered 5xx', unit: 'ratio', value: all === null || all === 0 ? null : errors / all },
    { id: 'p99', label: '99 % answered within', unit: 'seconds', value: quantile(0.99, bucketsAt(tables.times, -1)) },
    {
      id: 'open',
      label: 'Open connections',
      unit: 'count',
      value: opened == null || closed == null ? null : opened - closed,
    },
  ];
}
