/** The last minutes of an edge's own page, in memory: what a storage tier would have, for a short while. */

import { increase } from './increase.ts';
import { type Kept, kept } from './kept.ts';
import { type Labels, PageReader, type ReaderLimits } from './page-reader.ts';
import { matches, others, type Read, type Selection } from './read.ts';
import { add, type Row, regroup, rowKey, type Table, top, type Value } from './table.ts';

/** Seconds over which a rate is taken: one page to the next is too rough to look at. */
export const liveWindow = 10;

/** Series with the same kept labels, added up. */
interface Group {
  name: string;
  labels: Labels;
  type: Kept['type'];
  /** The last page's value; NaN: it had none. */
  value: number;
  grown: number;
  /** Each page's value, by its place in the ring; NaN where it had none. */
  values: Float64Array;
  growth: Float64Array | null;
}

interface Series {
  group: Group;
  /** On the last page that had it. */
  last: number | undefined;
  /** On the page that is being read. */
  next: number;
}

export class LiveStore {
  readonly #reader: PageReader<Series>;
  readonly #groups = new Map<string, Group>();
  readonly #capacity: number;
  /** When each page was read, by its place in the ring. */
  readonly #times: Float64Array;
  /** The page that is being read has these: it counts when it is complete. */
  readonly #read: Series[] = [];
  #pages = 0;

  /** @param capacity pages that are kept. */
  constructor(capacity: number, limits?: ReaderLimits) {
    this.#capacity = capacity;
    this.#times = new Float64Array(capacity);
    this.#reader = new PageReader(
      (name) => kept.has(name),
      (name, labels) => this.#series(name, labels),
      limits,
    );
  }

  /** Pages that were read. */
  get pages(): number {
    return this.#pages;
  }

  /** Lines of the last page that were not read. */
  get skipped(): number {
    return this.#reader.skipped;
  }

  /** Seconds since 1970 of the oldest page that is kept; null before the first. */
  get since(): number | null {
    return this.#pages === 0 ? null : this.#times[this.#pages > this.#capacity ? this.#pages % this.#capacity : 0]!;
  }

  /** Seconds since 1970 of the last page; null before the first. */
  get time(): number | null {
    return this.#pages === 0 ? null : this.#times[(this.#pages - 1) % this.#capacity]!;
  }

  begin(): void {
    this.#reader.begin();
    this.#read.length = 0;
  }

  /** @param text the next piece of the page. */
  push(text: string): void {
    this.#reader.push(text, (series, value) => {
      series.next = value;
      this.#read.push(series);
    });
  }

  /** The page is complete. A page that broke off is not: `begin` the next one instead. @param time seconds since 1970. */
  commit(time: number): void {
    const at = this.#pages % this.#capacity;
    this.#times[at] = time;
    for (const group of this.#groups.values()) {
      group.value = NaN;
      group.grown = 0;
    }
    for (const series of this.#read) take(series);
    for (const { values, growth, value, grown } of this.#groups.values()) {
      values[at] = value;
      if (growth !== null) growth[at] = this.#pages === 0 || Number.isNaN(value) ? NaN : grown;
    }
    this.#pages += 1;
    if (this.#pages % this.#capacity === 0) this.#forget();
  }

  /** The values of a label, sorted. */
  labelValues(label: string): string[] {
    const found = new Set<string>();
    for (const { labels } of this.#groups.values()) if (labels[label] !== undefined) found.add(labels[label]);
    return [...found].sort();
  }

  /** @param seconds how far back. */
  range(read: Read, selection: Selection, seconds: number): Table {
    const places = this.#places(seconds);
    const first = places.length - this.#shown(places, seconds);
    const found = [...this.#groups.values()].filter(
      ({ name, labels }) => name === read.metric && matches(labels, selection, read.where),
    );
    const rows = found.map(({ labels, values, growth }) => {
      const source = read.as === 'rate' ? growth : values;
      return { labels, values: places.map((place) => finite(source?.[place] ?? NaN)) };
    });
    const by = (labels: Labels) => Object.fromEntries(read.by.map((name) => [name, labels[name] ?? '']));
    const times = places.map((place) => this.#times[place]!);
    const grouped = regroup({ times, rows }, by, read.combine === 'max' ? Math.max : add);
    const all = grouped.rows.map(({ labels, values }) => ({
      labels,
      values: (read.as === 'rate' ? rates(times, values) : values).slice(first),
    }));
    return limit({ times: times.slice(first), rows: all }, read);
  }

  /** At the last page. */
  now(read: Read, selection: Selection): Table {
    return this.range(read, selection, 0);
  }

  #series(name: string, labels: Labels): Series {
    const wanted = kept.get(name)!;
    const names = ['app', 'region', ...wanted.by].filter((label) => labels[label] !== undefined);
    const own = Object.fromEntries(names.map((label) => [label, labels[label]!]));
    const key = name + rowKey(own);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const ring = () => new Float64Array(this.#capacity).fill(NaN);
      const growth = wanted.type === 'counter' ? ring() : null;
      group = { name, labels: own, type: wanted.type, value: NaN, grown: 0, values: ring(), growth };
      this.#groups.set(key, group);
    }
    return { group, last: undefined, next: NaN };
  }

  /** Rings that have run empty, and series that come no more. */
  #forget(): void {
    this.#reader.forget(this.#capacity);
    for (const [key, { values }] of this.#groups) if (values.every(Number.isNaN)) this.#groups.delete(key);
  }

  /** Places of the pages of the last seconds, oldest first, with those that the first rate needs. */
  #places(seconds: number): number[] {
    const since = (this.time ?? 0) - seconds - liveWindow * 2;
    const places: number[] = [];
    for (let page = this.#pages - 1; page >= Math.max(0, this.#pages - this.#capacity); page--) {
      const place = page % this.#capacity;
      if (places.length > 1 && this.#times[place]! < since) break;
      places.push(place);
    }
    return places.reverse();
  }

  #shown(places: readonly number[], seconds: number): number {
    const since = (this.time ?? 0) - seconds;
    return places.filter((place) => this.#times[place]! >= since).length;
  }
}

/** A new page's value. */
function take(series: Series): void {
  const { group, last, next } = series;
  group.value = (Number.isNaN(group.value) ? 0 : group.value) + next;
  if (group.type === 'counter') group.grown += increase(last, next);
  series.last = next;
}

const finite = (value: number): Value => (Number.isFinite(value) ? value : null);

/** Growth from page to page, as growth for each second over the window that ends there. */
function rates(times: readonly number[], growth: readonly Value[]): Value[] {
  return growth.map((value, i) => {
    if (value === null || i === 0) return null;
    let sum = 0;
    let from = i;
    // At least one page, however long ago the one before was. What was not there did not grow.
    do sum += growth[from--] ?? 0;
    while (from > 0 && times[i]! - times[from - 1]! <= liveWindow);
    return sum / (times[i]! - times[from]!);
  });
}

/** What `Read.top` says. */
function limit(table: Table, { top: count, by, sumless }: Read): Table {
  if (count === undefined || table.rows.length <= count) return table;
  const { shown, others: rest } = top(table, count);
  if (sumless) return { times: table.times, rows: shown };
  const labels = Object.fromEntries(by.map((name) => [name, name === by.at(-1) ? others : '']));
  const row: Row = { labels, values: rest.values };
  return { times: table.times, rows: [...shown, row] };
}
