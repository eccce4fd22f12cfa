import { family } from '../page.ts';
import type { DeviceFile } from './devices.ts';

/** In the order of the columns. */
const families = [
  ...['bytes', 'packets', 'errs', 'drop', 'fifo', 'frame', 'compressed', 'multicast'].map((name) => `recv_${name}`),
  ...['bytes', 'packets', 'errs', 'drop', 'fifo', 'colls', 'carrier', 'compressed'].map((name) => `sent_${name}`),
].map((name) => family(`net_${name}`));

/** An alias, `eth0:1`, has a colon in its name. */
const form = new RegExp(`^ *([^ ]+): *(\\d{1,20})${' +(\\d{1,20})'.repeat(families.length - 1)} *$`);

/** /proc/net/dev: two lines of head, then `  eth0: 1 2 3 …`; older kernels put no space after the colon. */
export const netDev: DeviceFile = { headLines: 2, form, families };
