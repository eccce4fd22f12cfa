import { isCount } from '../numbers.ts';
import { family, labels, type Page } from '../page.ts';

const cpu = family('cpu');
/** In the order of the columns (proc_stat(5)); kernels before 2.6.33 end earlier. */
const modes = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'];
const fewestModes = 4;

/**
 * The lines of the CPUs in /proc/stat: `cpu0 568329 0 122206 473956 416 0 32849 11537 0 0`. Their unit, USER_HZ, is a
 * hundredth of a second on every architecture that Node runs on. A CPU that is taken out has no line.
 */
export function readStat(text: string, page: Page, fault: (reason: string) => void): void {
  const seen = new Set<string>();
  for (const line of text.split('\n')) {
    const [, id, rest] = /^cpu(\d+) +(.*)$/.exec(line) ?? [];
    // The CPUs come first; what follows them can be tens of kilobytes.
    if (id === undefined && seen.size > 0) break;
    if (id === undefined) continue;
    const values = rest.split(' ').slice(0, modes.length);
    if (seen.has(id) || values.length < fewestModes || !values.every(isCount)) {
      fault(`cpu${id} is not understood`);
    } else {
      values.forEach((value, mode) => {
        page.add(cpu, value, labels(['cpu_id', id], ['mode', modes[mode]]));
      });
    }
    seen.add(id);
  }
  if (seen.size === 0) fault('there are no CPUs');
}
