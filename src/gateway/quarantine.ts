/** Texts that ended the engine, and organizations that keep sending such. In bounded memory: oldest go first. */

import { createHash } from 'node:crypto';

const mostTexts = 10_000;

export interface QuarantineOptions {
  /** Texts of one organization within the period, after which it is barred for the rest of it. */
  strikes: number;
  /** Milliseconds. */
  period: number;
}

export const quarantineDefaults: QuarantineOptions = { strikes: 10, period: 600_000 };

export class Quarantine {
  readonly #options: QuarantineOptions;
  /** Digests, since a text may be long. */
  readonly #texts = new Set<string>();
  /** When each organization's texts were condemned. */
  readonly #strikes = new Map<string, number[]>();

  constructor(options = quarantineDefaults) {
    this.#options = options;
  }

  /** An organization's text is its own: nobody can have another one's query refused. */
  has(org: string, text: string): boolean {
    return this.#texts.has(digest(org, text));
  }

  condemn(org: string, text: string): void {
    this.#texts.add(digest(org, text));
    if (this.#texts.size > mostTexts) this.#texts.delete(this.#texts.values().next().value!);
    this.#strikes.set(org, [...this.#recent(org), performance.now()]);
  }

  /** Milliseconds until the organization may ask again; 0: now. */
  barred(org: string): number {
    const recent = this.#recent(org);
    return recent.length < this.#options.strikes
      ? 0
      : recent.at(-this.#options.strikes)! + this.#options.period - performance.now();
  }

  #recent(org: string): number[] {
    const since = performance.now() - this.#options.period;
    return (this.#strikes.get(org) ?? []).filter((at) => at > since);
  }
}

const digest = (org: string, text: string): string => createHash('sha256').update(`${org}\n${text}`).digest('base64');
