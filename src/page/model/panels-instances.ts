import type { Unit } from './format.ts';
import { healthRead, ills } from './health.ts';
import { linesOf, type Panel } from './panel.ts';
import { type Expression, others, type Read } from './read.ts';
import { labelsOf, latest, type Row, rowKey, type Table } from './table.ts';
import type { LimitsRow, LimitsView } from './view.ts';

/** Lines that can be told apart. */
const shown = 8;
const rowsShown = 20;

const concurrency: Read = { metric: 'fly_app_concurrency', as: 'value', by: ['app', 'instance'] };
const limitOf = (metric: string): Read => ({ metric, as: 'value', by: ['app', 'instance'], combine: 'max' });

const noInstance = 'No instance, or none that matches the filter.';
const noAgent = 'Nothing in this time. It comes from fly-edge agent beside the instance, which edge.toml names.';

/** Those that are ill come first, however little they have to do; `others` has no limits of its own. */
function limitsView(now: Table, soft: Table, hard: Table, healthy: Table): LimitsView {
  const byKey = ({ rows }: Table) => new Map(rows.map((row: Row) => [rowKey(row.labels), latest(row)]));
  const [values, softs, hards] = [byKey(now), byKey(soft), byKey(hard)];
  const sick = ills(healthy);
  const shownIll = [...sick.keys()].slice(0, rowsShown);
  const apps = new Set([...now.rows, ...healthy.rows].map(({ labels }) => labels.app).filter(Boolean));
  const rows = [...new Set([...shownIll, ...values.keys()])].flatMap((key): LimitsRow[] => {
    const { app = '', instance = '' } = labelsOf(key);
    const value = values.get(key) ?? null;
    const ill = sick.get(key);
    if (value === null && ill === undefined) return [];
    const label = instance === others || apps.size < 2 ? instance : `${app} / ${instance}`;
    const limits = { soft: softs.get(key) ?? null, hard: hards.get(key) ?? null };
    return [{ label, value, ...limits, ...(ill !== undefined && { ill }) }];
  });
  return { kind: 'limits', rows };
}

function perInstance(id: string, title: string, help: string, unit: Unit, promql: Expression['promql']): Panel {
  return {
    id,
    title,
    help,
    reads: { instances: { promql, by: ['instance'], top: shown } },
    empty: noAgent,
    view: ({ instances }) => ({
      kind: 'lines',
      unit,
      times: instances!.times,
      lines: linesOf(instances!.rows, 'instance'),
    }),
  };
}

const rates = (metrics: string[], where: string, window: string): string =>
  metrics.map((metric) => `sum by (instance) (rate(${metric}{${where}}[${window}]))`).join(' + ');

export const instancePanels: readonly Panel[] = [
  {
    id: 'limits',
    title: 'Concurrency against limits, now',
    help: 'Requests in flight or open connections of the busiest instances, after those that get none; the marks are soft and hard limit.',
    reads: {
      now: { ...concurrency, top: rowsShown },
      soft: limitOf('fly_app_soft_limit'),
      hard: limitOf('fly_app_hard_limit'),
      healthy: healthRead,
    },
    now: true,
    empty: noInstance,
    view: ({ now, soft, hard, healthy }) => limitsView(now!, soft!, hard!, healthy!),
  },
  {
    id: 'concurrency',
    title: 'Concurrency',
    help: 'The instances with the highest value in this time, and the sum of all others.',
    reads: { instances: { ...concurrency, by: ['instance'], top: shown } },
    empty: noInstance,
    view: ({ instances }) => ({
      kind: 'lines',
      unit: 'count',
      times: instances!.times,
      lines: linesOf(instances!.rows, 'instance'),
    }),
  },
  perInstance(
    'memory',
    'Memory in use',
    'What programs could not get any more, of all memory.',
    'ratio',
    (where) =>
      `1 - sum by (instance) (fly_instance_memory_mem_available{${where}}) / sum by (instance) (fly_instance_memory_mem_total{${where}})`,
  ),
  perInstance(
    'cpu',
    'CPU in use',
    'Time that was neither idle nor waiting for disks, of all CPUs of the instance.',
    'ratio',
    (where, window) =>
      `1 - sum by (instance) (rate(fly_instance_cpu{mode=~"idle|iowait",${where}}[${window}])) / sum by (instance) (rate(fly_instance_cpu{mode!~"guest|guest_nice",${where}}[${window}]))`,
  ),
  perInstance(
    'disk',
    'Disk',
    'Read and written, all devices.',
    'bytes per second',
    (where, window) =>
      `512 * (${rates(['fly_instance_disk_sectors_read', 'fly_instance_disk_sectors_written'], where, window)})`,
  ),
  perInstance(
    'net',
    'Network',
    'Received and sent, all devices but the loopback.',
    'bytes per second',
    (where, window) =>
      rates(['fly_instance_net_recv_bytes', 'fly_instance_net_sent_bytes'], `device!="lo",${where}`, window),
  ),
];
