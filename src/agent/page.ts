/** One answer to a scrape: samples in the text format, family by family in the catalogue's order. */

import { instanceSeries } from '../metrics/catalogue-instance.ts';
import { headerOf } from '../metrics/exposition.ts';
import { escapeLabel } from '../metrics/labels.ts';

/** Position of a family in the catalogue. */
export type Family = number;

/** Each line begins with its line feed, so that a sample is two pieces. */
const heads = instanceSeries.map((series) => headerOf(series).trimEnd());
const names = instanceSeries.map(({ name }) => `\n${name}`);

/** Throws when the catalogue has no such name. @param name without `fly_instance_`. */
export function family(name: string): Family {
  const found = instanceSeries.findIndex((series) => series.name === `fly_instance_${name}`);
  if (found === -1) throw new Error(`fly_instance_${name} is not in the catalogue of instance series`);
  return found;
}

/** Labels of a sample, as `add` takes them. */
export function labels(...pairs: [name: string, value: string][]): string {
  return `{${pairs.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}} `;
}

/** A line up to its value. Joined, not added: of one piece, and so quick to copy each time. @param labels from `labels`. */
export const seriesOf = (family: Family, labels: string): string => [names[family], labels].join('');

export class Page {
  /** Joined once: a string that grows piece by piece is a tree, and slow to flatten. */
  readonly #pieces: string[][] = heads.map((head) => [head]);

  /** @param value as the format writes numbers: digits of any length stay as they are. @param labels from `labels`. */
  add(family: Family, value: string, labels = ' '): void {
    this.put(family, names[family] + labels, value);
  }

  /** The same. @param series from `seriesOf` that family. */
  put(family: Family, series: string, value: string): void {
    this.#pieces[family].push(series, value);
  }

  toString(): string {
    const written = this.#pieces.filter((pieces) => pieces.length > 1);
    return `${written.map((pieces) => pieces.join('')).join('\n')}\n`;
  }
}
