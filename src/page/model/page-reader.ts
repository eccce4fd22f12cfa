/** Reads Prometheus' text format 0.0.4 as it arrives, page after page of the same server. */

/** What a page may hold at most: a server that is not ours must not fill the reader's memory. */
export interface ReaderLimits {
  /** Characters of a line; longer ones are skipped. */
  line: number;
  /** Series that are kept; further ones are skipped. */
  series: number;
}

export const defaultLimits: ReaderLimits = { line: 16_384, series: 200_000 };

export type Labels = Readonly<Record<string, string>>;

interface Entry<T> {
  state: T;
  /** Number of the page that had it last. */
  seen: number;
}

/**
 * Labels are parsed once for each series: a line that came before costs a look-up and a number.
 * @typeParam T what the caller keeps for a series.
 */
export class PageReader<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #limits: ReaderLimits;
  readonly #wanted: (name: string) => boolean;
  readonly #make: (name: string, labels: Labels) => T;
  #rest = '';
  #page = 0;
  #skipped = 0;

  /** @param make called when a series with a wanted name comes for the first time. */
  constructor(wanted: (name: string) => boolean, make: (name: string, labels: Labels) => T, limits = defaultLimits) {
    this.#wanted = wanted;
    this.#make = make;
    this.#limits = limits;
  }

  /** Lines of this page that could not be read, or were too many. */
  get skipped(): number {
    return this.#skipped;
  }

  begin(): void {
    this.#rest = '';
    this.#skipped = 0;
    this.#page += 1;
  }

  /** @param text the next piece of the page, cut anywhere. @param sample called for each line of a wanted series. */
  push(text: string, sample: (state: T, value: number) => void): void {
    const all = this.#rest + text;
    let at = 0;
    for (let end = all.indexOf('\n'); end >= 0; end = all.indexOf('\n', at)) {
      if (end - at > this.#limits.line) this.#skipped += 1;
      else this.#line(all, at, end, sample);
      at = end + 1;
    }
    // A line is too long already: its length is all that matters.
    this.#rest = all.slice(at, at + this.#limits.line + 1);
  }

  /** Series that the last `pages` pages did not have are forgotten. */
  forget(pages: number): void {
    for (const [key, { seen }] of this.#entries) if (seen <= this.#page - pages) this.#entries.delete(key);
  }

  #line(text: string, start: number, end: number, sample: (state: T, value: number) => void): void {
    if (end > start && text.charCodeAt(end - 1) === carriageReturn) end -= 1;
    if (end === start || text.charCodeAt(start) === hash) return;
    // Most lines of a large page are nobody's: they must not cost more than this.
    nameAt.lastIndex = start;
    if (!this.#wanted(nameAt.exec(text)![0])) return;
    // The value follows the labels, which may hold any character.
    blank.lastIndex = labelsEnd(text, start, end);
    const space = blank.exec(text)?.index ?? end;
    if (space <= start || space >= end) return void (this.#skipped += 1);
    const value = valueAndTime.exec(text.slice(space, end))?.[1];
    const number = value === undefined ? null : parseValue(value);
    if (number === null) return void (this.#skipped += 1);
    const entry = this.#entry(text.slice(start, space));
    if (entry === null) return void (this.#skipped += 1);
    entry.seen = this.#page;
    sample(entry.state, number);
  }

  #entry(key: string): Entry<T> | null {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#limits.series) return null;
    const parsed = parseSeries(key);
    if (parsed === null) return null;
    const entry = { state: this.#make(parsed.name, parsed.labels), seen: 0 };
    this.#entries.set(key, entry);
    return entry;
  }
}

const nameAt = /[\w:]*/y;
/** Blanks of the format are SP and HTAB; JavaScript's `\s` and `trim` mean NBSP, too. */
const blank = /[ \t]/g;
const valueAndTime = /^[ \t]+([^ \t]+)(?:[ \t]+-?\d+)?[ \t]*$/;
const hash = 35;
const carriageReturn = 13;

/** Where the labels of a line end: after the brace, or at its start when it has none. */
function labelsEnd(text: string, start: number, end: number): number {
  const open = text.indexOf('{', start);
  if (open < 0 || open >= end) return start;
  const close = text.lastIndexOf('}', end);
  return close < open ? end : close;
}

/** Go's ParseFloat, as far as the format uses it; null for what is no number. */
export function parseValue(text: string): number | null {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (/^\+?Inf$/i.test(text)) return Infinity;
  if (/^-Inf$/i.test(text)) return -Infinity;
  return /^NaN$/i.test(text) ? NaN : null;
}

const head = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?$/s;
const pair = /[ \t]*([a-zA-Z_]\w*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)/sy;

/** `name{label="value",…}`; null when it is not of the format. */
export function parseSeries(text: string): { name: string; labels: Labels } | null {
  const [, name, inner = ''] = head.exec(text) ?? [];
  if (name === undefined) return null;
  // No prototype: a label may be called `constructor`.
  const labels: Record<string, string> = Object.create(null);
  for (let at = 0; at < inner.length; at = pair.lastIndex) {
    pair.lastIndex = at;
    const [, label, value] = pair.exec(inner) ?? [];
    if (label === undefined || label in labels) return null;
    labels[label] = value!.replace(/\\(.)/gs, (whole, c) => (c === 'n' ? '\n' : c === '"' || c === '\\' ? c : whole));
  }
  return { name, labels };
}
