import { family, labels, type Page } from '../page.ts';

const load = family('load_average');
const minutes = ['1', '5', '15'];

/** /proc/loadavg: `0.11 0.60 2.15 1/92 25962`. */
export function readLoadavg(text: string, page: Page, fault: (reason: string) => void): void {
  const values = text.split(' ');
  minutes.forEach((span, i) => {
    if (/^\d+\.\d+$/.test(values[i] ?? '')) page.add(load, values[i], labels(['minutes', span]));
    else fault(`there is no load of ${span} minutes`);
  });
}
