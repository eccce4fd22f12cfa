/** The edge's own page, read every two seconds: the last minutes stay in memory. */

import { LiveStore, liveWindow } from '../model/live-store.ts';
import type { Expression, Read, Selection } from '../model/read.ts';
import type { Table } from '../model/table.ts';
import { now } from './clock.ts';
import { Failure, unreachable } from './failure.ts';
import type { Choices, Source, Span } from './source.ts';

const interval = 2;
/** A page so young is looked at again: growth over an instant says nothing, and each page costs the edge something. */
const young = 1;
const longest = 15 * 60;
const timeout = 10_000;
/** Characters between two turns of the event loop. */
const piece = 256 * 1024;

export class LiveSource implements Source {
  readonly name = 'The edge';
  readonly spans: readonly Span[] = [1, 5, 15].map((minutes) => ({ label: `${minutes} min`, seconds: minutes * 60 }));
  readonly span = 300;
  readonly #store = new LiveStore((longest + 4 * liveWindow) / interval);
  readonly #url: string;

  /** @param org one organization's page; null: the whole one. */
  constructor(org: string | null) {
    this.#url = org === null ? '/metrics' : `/metrics?${new URLSearchParams({ org })}`;
  }

  window(): number {
    return liveWindow;
  }

  interval(): number {
    return interval;
  }

  answers(read: Read | Expression): read is Read {
    return !('promql' in read);
  }

  get remembered(): number | null {
    return this.#store.time;
  }

  get since(): number | null {
    return this.#store.since;
  }

  get remark(): string {
    const { skipped } = this.#store;
    return skipped === 0 ? '' : `${skipped} lines of the edge’s page were not read: they are too many, or malformed.`;
  }

  async refresh(signal: AbortSignal): Promise<number> {
    const last = this.#store.time;
    if (last !== null && Math.abs(now() - last) < young) return last;
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) });
      if (!response.ok) throw new Failure('unavailable', `${response.status} ${(await response.text()).trim()}`);
      const time = now();
      this.#store.begin();
      let read = 0;
      for (const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#store.push(value);
        read += value.length;
        if (read < piece) continue;
        read = 0;
        await new Promise((resolve) => setTimeout(resolve));
      }
      this.#store.commit(time);
      return time;
    } catch (error) {
      throw unreachable(error);
    }
  }

  async choices(): Promise<Choices> {
    return { apps: this.#store.labelValues('app'), regions: this.#store.labelValues('region') };
  }

  async range(read: Read | Expression, selection: Selection, span: number): Promise<Table> {
    if (!this.answers(read)) throw new Failure('refused', 'only a storage tier has it');
    return this.#store.range(read, selection, span);
  }

  async now(read: Read | Expression, selection: Selection): Promise<Table> {
    return this.range(read, selection, 0);
  }
}
