import { isCount, times } from '../numbers.ts';
import { type Family, family, type Page } from '../page.ts';

const fields = [
  'MemTotal',
  'MemFree',
  'MemAvailable',
  'Buffers',
  'Cached',
  'SwapCached',
  'Active',
  'Inactive',
  'SwapTotal',
  'SwapFree',
  'Dirty',
  'Writeback',
  'Slab',
  'Shmem',
  'VmallocTotal',
  'VmallocUsed',
  'VmallocChunk',
];

/** `MemTotal` as `mem_total`. */
const snake = (field: string): string => field.replace(/\B[A-Z]/g, '_$&').toLowerCase();

const families = new Map<string, Family>(fields.map((field) => [field, family(`memory_${snake(field)}`)]));
const kibibyte = 1024n;

/** /proc/meminfo: `MemTotal:       24684096 kB`. */
export function readMeminfo(text: string, page: Page, fault: (reason: string) => void): void {
  const missing = new Map(families);
  for (const line of text.split('\n')) {
    const field = line.slice(0, Math.max(0, line.indexOf(':')));
    const family = missing.get(field);
    if (family === undefined) continue;
    missing.delete(field);
    const [, amount] = /^: *(\d+) kB$/.exec(line.slice(field.length)) ?? [];
    if (isCount(amount)) page.add(family, times(amount, kibibyte));
    else fault(`${field} is no amount in kB`);
  }
  for (const field of missing.keys()) fault(`there is no ${field}`);
}
