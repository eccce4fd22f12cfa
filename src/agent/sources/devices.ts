import { longestQuote } from '../faults.ts';
import { type Family, labels, type Page, seriesOf } from '../page.ts';

/** A file with one line for each device. */
export interface DeviceFile {
  /** Lines before the first device. */
  headLines: number;
  /** Finds a line's device, then one value for each of the families. */
  form: RegExp;
  families: readonly Family[];
}

export class Devices {
  readonly #file: DeviceFile;
  readonly #excluded: (device: string) => boolean;
  /** The series of the devices that the file had at the last scrape; null for one that is not shown. */
  #known = new Map<string, string[] | null>();

  constructor(file: DeviceFile, excluded: (device: string) => boolean) {
    this.#file = file;
    this.#excluded = excluded;
  }

  read(text: string, page: Page, fault: (reason: string) => void): void {
    const { headLines, form, families } = this.#file;
    const seen = new Map<string, string[] | null>();
    for (const line of text.split('\n').slice(headLines)) {
      if (line === '') continue;
      const found = form.exec(line);
      const device = found?.[1];
      if (device === undefined || seen.get(device)) {
        fault(`not understood: ${line.slice(0, longestQuote)}`);
        continue;
      }
      const known = this.#known.get(device);
      const series = known === undefined ? this.#series(device) : known;
      seen.set(device, series);
      if (series !== null) for (let i = 0; i < series.length; i++) page.put(families[i], series[i], found![i + 2]);
    }
    this.#known = seen;
  }

  #series(device: string): string[] | null {
    if (this.#excluded(device)) return null;
    const ofDevice = labels(['device', device]);
    return this.#file.families.map((family) => seriesOf(family, ofDevice));
  }
}
