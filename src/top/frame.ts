/** What `fly-edge top` shows, as lines of text: made from the last pages of an edge, before anything is written. */

import { bucketsAt } from '../page/model/buckets.ts';
import { format } from '../page/model/format.ts';
import { headlineReads, headlines } from '../page/model/headline.ts';
import { healthRead, ills } from '../page/model/health.ts';
import { quantile } from '../page/model/histogram.ts';
import type { LiveStore } from '../page/model/live-store.ts';
import type { Read } from '../page/model/read.ts';
import { statusClass, statusClasses } from '../page/model/status.ts';
import { latest, type Row, rowKey, type Table, type Value } from '../page/model/table.ts';
import { type Align, columns } from './columns.ts';

export type Style = 'title' | 'bad' | 'warn' | 'quiet';

export interface Line {
  text: string;
  style?: Style;
}

const rate = (metric: string, ...by: string[]): Read => ({ metric, as: 'rate', by });
const value = (metric: string, ...by: string[]): Read => ({ metric, as: 'value', by });
const highest = (metric: string, ...by: string[]): Read => ({ metric, as: 'value', by, combine: 'max' });

/** @param rows that the terminal has; the instances with least to do are left out. */
export function frame(store: LiveStore, rows: number): Line[] {
  const apps = appLines(store);
  const head: Line[] = [
    { text: slotText(store), style: 'title' },
    { text: headlineText(store) },
    blank,
    ...apps,
    blank,
  ];
  return [...head, ...instanceLines(store, rows - head.length)];
}

const blank: Line = { text: '' };

/** `blue 3 accepting · green 2 draining`: the colours that have a generation at work. */
function slotText(store: LiveStore): string {
  const states = store.now(value('fly_slot_state', 'proxy_id', 'state'), {});
  const generations = store.now(highest('fly_slot_generation', 'proxy_id'), {});
  const slots = states.rows
    .filter((row) => (latest(row) ?? 0) > 0)
    .map(({ labels: { proxy_id, state } }) => {
      const generation = generations.rows.find(({ labels }) => labels.proxy_id === proxy_id);
      return `${proxy_id} ${format(generation === undefined ? null : latest(generation), 'count')} ${state}`;
    });
  return slots.length === 0 ? 'no slot' : slots.sort().join(' · ');
}

function headlineText(store: LiveStore): string {
  const tables = Object.fromEntries(Object.entries(headlineReads).map(([key, read]) => [key, store.now(read, {})]));
  return headlines(tables as Record<keyof typeof headlineReads, Table>)
    .map(({ label, value, unit }) => `${label} ${format(value, unit)}`)
    .join('   ');
}

function appLines(store: LiveStore): Line[] {
  const per = (read: Read) => byLabel(store.now(read, {}), 'app');
  const responses = per(rate('fly_edge_http_responses_count', 'app', 'status'));
  const times = per(rate('fly_edge_http_response_time_seconds_bucket', 'app', 'le'));
  const connects = per(value('fly_edge_tcp_connects_count', 'app'));
  const disconnects = per(value('fly_edge_tcp_disconnects_count', 'app'));
  const bytesIn = per(rate('fly_edge_data_in', 'app'));
  const bytesOut = per(rate('fly_edge_data_out', 'app'));
  const errors = per(rate('fly_edge_error_count', 'app', 'code'));
  const names = [...new Set([...responses.keys(), ...connects.keys()])].sort();
  const cells = names.map((app) => {
    const answered = responses.get(app) ?? [];
    const classes = statusClasses
      .slice(1)
      .map((wanted) => sum(answered.filter(({ labels }) => statusClass(labels.status ?? '') === wanted)));
    const buckets = bucketsAt({ times: [0], rows: times.get(app) ?? [] }, -1);
    const open = difference(sum(connects.get(app)), sum(disconnects.get(app)));
    return {
      failing: (classes[3] ?? 0) > 0,
      row: [
        app === '' ? '(no app)' : app,
        format(sum(answered), 'per second'),
        ...classes.map((each) => format(each, 'per second')),
        format(quantile(0.5, buckets), 'seconds'),
        format(quantile(0.99, buckets), 'seconds'),
        format(open, 'count'),
        format(sum(bytesIn.get(app)), 'bytes per second'),
        format(sum(bytesOut.get(app)), 'bytes per second'),
        format(sum(errors.get(app)), 'per second'),
      ],
    };
  });
  const head = ['APP', 'REQUESTS', '2XX', '3XX', '4XX', '5XX', 'P50', 'P99', 'OPEN', 'IN', 'OUT', 'ERRORS'];
  const [title, ...lines] = columns(
    [head, ...cells.map(({ row }) => row)],
    ['left', ...head.slice(1).map(() => 'right' as Align)],
  );
  return [
    { text: title!, style: 'title' },
    ...lines.map((text, i): Line => (cells[i]!.failing ? { text, style: 'bad' } : { text })),
  ];
}

function instanceLines(store: LiveStore, room: number): Line[] {
  const key = ({ labels }: Row) => rowKey(labels);
  const per = (read: Read) => new Map(store.now(read, {}).rows.map((row) => [key(row), latest(row)]));
  const inFlight = store.now(value('fly_app_concurrency', 'app', 'instance'), {});
  const soft = per(highest('fly_app_soft_limit', 'app', 'instance'));
  const hard = per(highest('fly_app_hard_limit', 'app', 'instance'));
  const responses = per(rate('fly_app_http_responses_count', 'app', 'instance'));
  const sick = ills(store.now(healthRead, {}));
  const all = inFlight.rows
    .map((row) => {
      const ill = sick.get(key(row));
      return { row, ill, now: latest(row) ?? 0, rate: responses.get(key(row)) ?? null };
    })
    .sort(
      (a, b) =>
        Number(b.ill !== undefined) - Number(a.ill !== undefined) ||
        b.now - a.now ||
        (b.rate ?? 0) - (a.rate ?? 0) ||
        (key(a.row) < key(b.row) ? -1 : 1),
    );
  const shown = all.length > room - 1 ? all.slice(0, Math.max(0, room - 2)) : all;
  const cells = shown.map(({ row, ill, now, rate }) => {
    const limits = { soft: soft.get(key(row)) ?? null, hard: hard.get(key(row)) ?? null };
    return {
      style: ill === undefined ? styleOf(now, limits.soft, limits.hard) : { style: 'bad' as const },
      row: [
        row.labels.app!,
        row.labels.instance!,
        format(now, 'count'),
        format(limits.soft, 'count'),
        format(limits.hard, 'count'),
        bar(now, limits.hard ?? limits.soft),
        format(rate, 'per second'),
        ill ?? '',
      ],
    };
  });
  const head = ['APP', 'INSTANCE', 'IN FLIGHT', 'SOFT', 'HARD', '', 'RESPONSES', sick.size > 0 ? 'HEALTH' : ''];
  const align: Align[] = ['left', 'left', 'right', 'right', 'right', 'left', 'right', 'left'];
  const [title, ...lines] = columns([head, ...cells.map(({ row }) => row)], align);
  const more = all.length - shown.length;
  return [
    { text: title!, style: 'title' },
    ...lines.map((text, i): Line => ({ text, ...cells[i]!.style })),
    ...(more > 0 ? [{ text: `and ${more} more that have less to do`, style: 'quiet' as const }] : []),
  ];
}

const styleOf = (now: number, soft: Value, hard: Value): { style?: Style } => {
  if (hard !== null && now >= hard) return { style: 'bad' };
  return soft !== null && now >= soft ? { style: 'warn' } : {};
};

const barLength = 20;

/** How much of a limit is used. */
function bar(now: number, limit: Value): string {
  if (limit === null || limit === 0) return '';
  const full = Math.min(barLength, Math.round((now / limit) * barLength));
  return '█'.repeat(full) + '░'.repeat(barLength - full);
}

function byLabel(table: Table, label: string): Map<string, Row[]> {
  return Map.groupBy(table.rows, ({ labels }) => labels[label] ?? '');
}

/** The sum of the last values; null without any. */
function sum(rows: readonly Row[] = []): Value {
  const values = rows.map(latest).filter((each) => each !== null);
  return values.length === 0 ? null : values.reduce((total, each) => total + each, 0);
}

const difference = (a: Value, b: Value): Value => (a === null || b === null ? null : a - b);
