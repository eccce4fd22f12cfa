/** Reads a scraped page as strictly as the text format 0.0.4 allows. */

export interface Sample {
  labels: Record<string, string>;
  value: number;
}

export type Page = Map<string, Sample[]>;

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const number = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;

/** Samples by name (`…_bucket`, `…_sum`, `…_count` of histograms by theirs). Throws on a line that is not the format's. */
export function parseExposition(text: string): Page {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the page does not end with a line feed');
  const page: Page = new Map();
  for (const line of text.split('\n').slice(0, -1)) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', value] = sampleLine.exec(line) ?? fail(line);
    if (!number.test(value)) fail(line);
    const samples = page.get(name) ?? [];
    samples.push({ labels: parseLabels(labels, line), value: Number(value.replace('Inf', 'Infinity')) });
    page.set(name, samples);
  }
  return page;
}

/** Sum of the samples of a name whose labels are those of the filter; 0 when there are none. */
export function sum(page: Page, name: string, filter: Record<string, string> = {}): number {
  return select(page, name, filter).reduce((total, { value }) => total + value, 0);
}

/** The samples of a name whose labels are those of the filter. */
export function select(page: Page, name: string, filter: Record<string, string> = {}): Sample[] {
  const wanted = Object.entries(filter);
  return (page.get(name) ?? []).filter(({ labels }) => wanted.every(([label, value]) => labels[label] === value));
}

/** The names that the page's TYPE lines call gauges. */
export function gauges(text: string): Set<string> {
  return new Set([...text.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name!));
}

/** Samples, gauges excepted, that are smaller than before, or gone. */
export function fallen(before: Page, after: Page, except: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const [name, samples] of before) {
    if (except.has(name)) continue;
    const now = new Map((after.get(name) ?? []).map(({ labels, value }) => [JSON.stringify(labels), value] as const));
    for (const { labels, value } of samples) {
      const key = JSON.stringify(labels);
      if (!(now.get(key)! >= value)) found.push(`${name}${key}: ${value}, then ${now.get(key)}`);
    }
  }
  return found;
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    labelPair.lastIndex = at;
    const [all, name, value] = labelPair.exec(text) ?? fail(line);
    if (name in labels) fail(line);
    labels[name] = value.replace(/\\(["\\n])/g, (_, c) => (c === 'n' ? '\n' : c));
    at += all.length;
  }
  return labels;
}

function fail(line: string): never {
  throw new Error(`not a line of the text format: ${line}`);
}
