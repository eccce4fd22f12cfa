import { longestQuote } from '../faults.ts';
import { type Family, labels, type Page } from '../page.ts';

/**
 * Files with one line for each device.
 * @param form finds a line's device, then one value for each of the families.
 */
export function readDevices(
  lines: readonly string[],
  form: RegExp,
  families: readonly Family[],
  page: Page,
  fault: (reason: string) => void,
  excluded: (device: string) => boolean,
): void {
  const seen = new Set<string>();
  for (const line of lines) {
    if (line === '') continue;
    const [, device, ...values] = form.exec(line) ?? [];
    if (device === undefined || seen.has(device)) {
      fault(`not understood: ${line.slice(0, longestQuote)}`);
    } else if (!excluded(device)) {
      seen.add(device);
      const ofDevice = labels(['device', device]);
      families.forEach((family, i) => {
        page.add(family, values[i], ofDevice);
      });
    }
  }
}
