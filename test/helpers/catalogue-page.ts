/** What an agent or an exporter could say: every series of the catalogue that is not the edge's, with plausible values. */

import { allSeries, type SeriesInfo } from '../../src/metrics/series.ts';

/** More than a dashboard draws one by one. */
const devices = Array.from({ length: 12 }, (_, i) => `dev${i}`);

const values: Record<string, readonly string[]> = {
  device: devices,
  mount: ['/', '/data'],
  cpu_id: ['0', '1'],
  mode: 'user nice system idle iowait irq softirq steal guest guest_nice'.split(' '),
  minutes: ['1', '5', '15'],
  datname: ['shop', 'postgres'],
  state: ['active', 'idle'],
  id: ['vol_1', 'vol_2'],
};

const Mi = 1024 * 1024;

/** Where a value has to fit others. */
const gauges: Record<string, number> = {
  fly_instance_up: 1,
  fly_instance_memory_mem_total: 1024 * Mi,
  fly_instance_memory_mem_free: 200 * Mi,
  fly_instance_memory_mem_available: 600 * Mi,
  fly_instance_memory_swap_total: 512 * Mi,
  fly_instance_memory_swap_free: 500 * Mi,
  fly_instance_filefd_maximum: 100_000,
  fly_instance_filesystem_blocks: 1_000_000,
  fly_instance_filesystem_blocks_free: 400_000,
  fly_instance_filesystem_blocks_avail: 350_000,
  fly_instance_filesystem_block_size: 4096,
  fly_instance_exit_code: 137,
  fly_instance_exit_oom: 1,
  fly_instance_cpu_baseline: 0.5,
  fly_volume_size_bytes: 2048 * Mi,
};

/** Of those by second, in their own units; 20 for all others. */
const rates: Record<string, number> = { fly_instance_cpu: 10, fly_instance_cpu_throttle: 5 };

/** @param seconds since some moment: counters rise with it, and so do volumes. */
export function cataloguePage(scope: 'instance' | 'volume' | 'postgres', seconds: number): string {
  const lines = allSeries
    .filter((series) => series.scope === scope)
    .flatMap((series) => [
      `# TYPE ${series.name} ${series.type}`,
      ...combinations(series.own).map((labels) => {
        const text = labels.map(([name, value]) => `${name}="${value}"`).join(',');
        return `${series.name}{${text}} ${plausible(series, seconds)}`;
      }),
    ]);
  return `${lines.join('\n')}\n`;
}

function plausible({ name, type }: SeriesInfo, seconds: number): number {
  if (/_(stats_reset|reply_time)$/.test(name)) return Math.floor(Date.now() / 1000) - 86_400;
  if (type === 'counter') return 1000 + Math.floor(seconds * (rates[name] ?? 20));
  if (name.endsWith('_lsn_bytes')) return Math.floor(seconds * 16 * Mi);
  if (name.endsWith('_used_pct')) return 40 + seconds / 100;
  return gauges[name] ?? 7;
}

/** Each label with each of its values. */
function combinations(labels: readonly string[]): [name: string, value: string][][] {
  const [first, ...others] = labels;
  if (first === undefined) return [[]];
  return (values[first] ?? ['one', 'two']).flatMap((value): [string, string][][] =>
    combinations(others).map((rest) => [[first, value], ...rest]),
  );
}
