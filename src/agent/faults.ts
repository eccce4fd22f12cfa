/** What could not be read or understood: counted by source, told once. */

import { family, labels, type Page } from './page.ts';

export const sources = [
  'meminfo',
  'loadavg',
  'stat',
  'diskstats',
  'net',
  'file-nr',
  'mounts',
  'statvfs',
  'cgroup',
] as const;
export type Source = (typeof sources)[number];

/** Counts one thing that is absent from the page. @param reason what and why, for the operator. */
export type Fault = (source: Source, reason: string) => void;

/** Characters of a line that a reason quotes. */
export const longestQuote = 80;

const errors = family('agent_error_count');

export class Faults {
  readonly #counts = new Map<Source, number>(sources.map((source) => [source, 0]));
  readonly #tell: (line: string) => void;

  /** @param tell gets a line for the first fault of each source: most come again with each scrape. */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  readonly count: Fault = (source, reason) => {
    const before = this.#counts.get(source)!;
    this.#counts.set(source, before + 1);
    if (before === 0) this.#tell(`${source}: ${reason}; counted in fly_instance_agent_error_count from here on`);
  };

  write(page: Page): void {
    for (const [source, count] of this.#counts) page.add(errors, String(count), labels(['source', source]));
  }
}
