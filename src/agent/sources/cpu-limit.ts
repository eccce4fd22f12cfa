import { join } from 'node:path';
import { reasonOf } from '../../config/reason.ts';
import { formatNumber } from '../../metrics/exposition.ts';
import { countOf, type Roots, textOf, unifiedGroups } from '../cgroup.ts';
import { centiseconds } from '../numbers.ts';
import { family, type Page } from '../page.ts';

const baseline = family('cpu_baseline');
const throttle = family('cpu_throttle');

/**
 * cpu.max (`50000 100000`, `max 100000`) and cpu.stat of cgroup v2. A limit of any group around the agent's holds for it: the
 * tightest one counts, and the time that its group was held back.
 */
export function readCpuLimit(roots: Roots, page: Page, fault: (reason: string) => void): void {
  try {
    const groups = unifiedGroups(roots);
    const limits = groups.map((folder) => ({ folder, cpus: limitOf(folder, fault) }));
    const tightest = limits.reduce((a, b) => (b.cpus < a.cpus ? b : a), { folder: groups[0], cpus: Infinity });
    if (tightest.folder === undefined) return;
    if (tightest.cpus < Infinity) page.add(baseline, formatNumber(tightest.cpus));
    const throttled = countOf(textOf(join(tightest.folder, 'cpu.stat')), 'throttled_usec');
    if (throttled !== undefined) page.add(throttle, centiseconds(throttled));
  } catch (error) {
    fault(reasonOf(error));
  }
}

/** In CPUs; Infinity without one. */
function limitOf(folder: string, fault: (reason: string) => void): number {
  const text = textOf(join(folder, 'cpu.max'));
  if (text === null || /^max \d+\n?$/.test(text)) return Infinity;
  const [, quota, period] = /^(\d+) (\d+)\n?$/.exec(text) ?? [];
  if (Number(period) > 0) return Number(quota) / Number(period);
  fault(`${folder}/cpu.max is not understood`);
  return Infinity;
}
