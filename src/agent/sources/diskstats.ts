import { family } from '../page.ts';
import type { DeviceFile } from './devices.ts';

/** Fields 1 to 11 of the kernel's Documentation/admin-guide/iostats.rst. */
const families = [
  'reads_completed',
  'reads_merged',
  'sectors_read',
  'time_reading',
  'writes_completed',
  'writes_merged',
  'sectors_written',
  'time_writing',
  'io_in_progress',
  'time_io',
  'time_io_weighted',
].map((name) => family(`disk_${name}`));

/** One expression for name and fields is the cheapest way to read a line: this and net/dev are most of a scrape. */
const form = new RegExp(`^ *\\d+ +\\d+ ([^ ]+)${' (\\d{1,20})'.repeat(families.length)}(?: |$)`);

/** /proc/diskstats: `254 0 vda` and at least 11 fields; newer kernels have more. */
export const diskstats: DeviceFile = { headLines: 0, form, families };
