import { family, type Page } from '../page.ts';
import { readDevices } from './devices.ts';

/** In the order of the columns. */
const families = [
  ...['bytes', 'packets', 'errs', 'drop', 'fifo', 'frame', 'compressed', 'multicast'].map((name) => `recv_${name}`),
  ...['bytes', 'packets', 'errs', 'drop', 'fifo', 'colls', 'carrier', 'compressed'].map((name) => `sent_${name}`),
].map((name) => family(`net_${name}`));

const headLines = 2;
/** An alias, `eth0:1`, has a colon in its name. */
const form = new RegExp(`^ *([^ ]+): *(\\d{1,20})${' +(\\d{1,20})'.repeat(families.length - 1)} *$`);

/** /proc/net/dev: two lines of head, then `  eth0: 1 2 3 …`; older kernels put no space after the colon. */
export function readNet(
  text: string,
  page: Page,
  fault: (reason: string) => void,
  excluded: (device: string) => boolean,
): void {
  readDevices(text.split('\n').slice(headLines), form, families, page, fault, excluded);
}
