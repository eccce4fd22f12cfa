/** The supervisor's sum of what all workers of both slots have counted. */

import type { Colour, Counts, SeriesDefinition } from '../base/counts.ts';
import { type Metric, MetricId, metrics } from './catalogue.ts';
import { labelText, lineBytes, type Machine } from './labels.ts';
import { metricTold } from './metric-name.ts';

/** The half of a series that one colour counts. Most stay at 0, and many are never shown: what they need is made when it is needed. */
export class Cell {
  /** One value, or a histogram's buckets (not cumulative) and sum. */
  values: Readonly<Float64Array>;
  /** How many live workers of the colour have it, when it is a gauge. */
  workers = 0;
  readonly #zeros: Float64Array;
  readonly #makeText: () => string;
  #text: string | null = null;

  /** @param zeros shared by all of its size. */
  constructor(zeros: Float64Array, makeText: () => string) {
    this.values = zeros;
    this.#zeros = zeros;
    this.#makeText = makeText;
  }

  /** Its labels as they are exposed. */
  get text(): string {
    this.#text ??= this.#makeText();
    return this.#text;
  }

  add(index: number, amount: number): void {
    if (this.values === this.#zeros) this.values = new Float64Array(this.#zeros.length);
    (this.values as Float64Array)[index] += amount;
  }
}

export interface Series {
  readonly metric: Metric;
  readonly labels: readonly string[];
  readonly owner: Owner;
  readonly blue: Cell;
  readonly green: Cell;
}

/**
 * An app, or an instance of one: what a generation has or has not. Its series live and go together, so that a status
 * that one generation never saw stays while the instance does, and no counter falls.
 */
export interface Owner {
  readonly key: string;
  /** Empty for what belongs to none. */
  readonly app: string;
  /** Null for what is the app's alone. */
  readonly instance: string | null;
  readonly series: Series[];
  /** What it takes of a page, about. */
  bytes: number;
  /** Where it is on the page of this name, see parts.ts; null before. */
  place: { page: string; part: number } | null;
  /** Live workers that have a series of it. */
  workers: number;
  changed: number;
}

/** What one worker has added to one value of its colour. */
interface Part {
  readonly series: Series;
  readonly cell: Cell;
  readonly index: number;
  /** The worker's own total of a series of one value. */
  sum: number;
}

interface Worker {
  readonly id: number;
  readonly colour: Colour;
  readonly generation: number;
  /** By index of the worker's values; null where a definition was refused. */
  readonly at: (Part | null)[];
  readonly parts: Map<Series, Part>;
  /** Those that need more than to be forgotten when it ends. */
  readonly gauges: Part[];
  readonly opened: Part[];
  readonly owners: Set<Owner>;
  /** All that it has sent. */
  readonly definitions: SeriesDefinition[];
}

/** All values, and what it takes to go on adding what these workers send. Structured clone. */
export interface StoreSnapshot {
  series: { metric: string | number; labels: readonly string[]; blue: Float64Array; green: Float64Array }[];
  workers: {
    id: number;
    colour: Colour;
    generation: number;
    definitions: SeriesDefinition[];
    /** By definition; 0 for histograms. */
    sums: Float64Array;
  }[];
  /** Absent from a supervisor that knows no parts. */
  places?: [owner: string, page: string, part: number][];
}

/** What counts as opened, and as closed. */
const closedBy = new Map([
  [MetricId.edgeTcpConnects, MetricId.edgeTcpDisconnects],
  [MetricId.appTcpConnects, MetricId.appTcpDisconnects],
]);

/** Longer than any scrape interval: the last values are read before they go. */
const lifetimeAfterUse = 10 * 60_000;

export interface StoreOptions {
  machine: Machine;
  /** The bounds of all histograms, for the supervisor's life: a bucket cannot change without falling. */
  bounds: readonly number[];
  /** Milliseconds, rising. */
  clock?: () => number;
}

export class Store {
  readonly bounds: readonly number[];
  readonly #machine: Machine;
  readonly #clock: () => number;
  readonly #workers = new Map<number, Worker>();
  readonly #owners = new Map<string, Owner>();
  readonly #apps = new Map<string, Set<Owner>>();
  readonly #families: readonly Map<string, Series>[] = metrics.map(() => new Map());
  /** What one value, and a histogram, begin with. */
  readonly #zeros: readonly [Float64Array, Float64Array];

  constructor({ machine, bounds, clock = () => performance.now() }: StoreOptions) {
    this.bounds = bounds;
    this.#machine = machine;
    this.#clock = clock;
    this.#zeros = [new Float64Array(1), new Float64Array(bounds.length + 2)];
  }

  /** All series of a metric, in the order they came up. @param metric position in the catalogue. */
  series(metric: number): IterableIterator<Series> {
    return this.#families[metric].values();
  }

  /** An app and its instances, in the order they came up; `''`: what belongs to no app. */
  ownersOf(app: string): Iterable<Owner> {
    return this.#apps.get(app) ?? [];
  }

  /** The names of all apps, `''` among them. */
  get apps(): Iterable<string> {
    return this.#apps.keys();
  }

  /** A worker begins to count. @param worker its id is unique in the supervisor's life. */
  attach(worker: { id: number; colour: Colour; generation: number }): void {
    const { id, colour, generation } = worker;
    const made = { at: [], parts: new Map(), gauges: [], opened: [], owners: new Set<Owner>(), definitions: [] };
    this.#workers.set(id, { id, colour, generation, ...made });
  }

  /** Adds what a worker reports. Whatever is wrong in it is left out, the rest counts; returns the first fault. */
  apply(id: number, counts: Counts): string | null {
    const worker = this.#workers.get(id);
    if (worker === undefined) return `worker ${id}: counts of a worker that is not attached`;
    const fault = this.#apply(worker, counts);
    return fault && `worker ${id} (${worker.colour}, generation ${worker.generation}): ${fault}`;
  }

  #apply(worker: Worker, counts: Counts): string | null {
    const { definitions, indexes, amounts } = counts;
    if (!Array.isArray(definitions) || !(indexes instanceof Uint32Array) || !(amounts instanceof Float64Array))
      return 'counts of the wrong form';
    if (indexes.length !== amounts.length) return `${indexes.length} indexes for ${amounts.length} amounts`;
    let fault: string | null = null;
    for (const definition of definitions) {
      worker.definitions.push(definition);
      const wrong = this.#define(worker, definition);
      fault ??= wrong;
    }
    const now = this.#clock();
    for (let i = 0; i < indexes.length; i++) {
      const part = worker.at[indexes[i]];
      const amount = amounts[i];
      if (!part) fault ??= `no series at index ${indexes[i]}`;
      else if (!Number.isFinite(amount) || (amount < 0 && part.series.metric.type !== 'gauge'))
        fault ??= `${part.series.metric.name} by ${amount}`;
      else {
        part.cell.add(indexes[i] - part.index, amount);
        part.sum += amount;
        part.series.owner.changed = now;
      }
    }
    return fault;
  }

  /** A worker has died or left: its gauges go, and the connections that it still had open are closed. */
  detach(id: number): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#workers.delete(id);
    for (const part of worker.opened) this.#close(worker, part);
    for (const { cell, sum } of worker.gauges) {
      cell.workers -= 1;
      if (sum !== 0) cell.add(0, -sum);
    }
    const now = this.#clock();
    for (const owner of worker.owners) {
      owner.workers -= 1;
      owner.changed = now;
    }
  }

  /** For another store, which goes on from here. */
  snapshot(): StoreSnapshot {
    const series = this.#families.flatMap((family) =>
      [...family.values()].map(({ metric, labels, blue, green }) => ({
        metric: metric.name,
        labels,
        blue: blue.values,
        green: green.values,
      })),
    );
    const workers = [...this.#workers.values()].map(({ id, colour, generation, definitions, at }) => ({
      id,
      colour,
      generation,
      definitions,
      sums: Float64Array.from(definitions, ({ index }) => at[index]?.sum ?? 0),
    }));
    const places = [...this.#owners.values()].flatMap(({ key, place }): [string, string, number][] =>
      place === null ? [] : [[key, place.page, place.part]],
    );
    return { series, workers, places };
  }

  /** Adds another store's values and workers; its bounds are the same. */
  restore({ series, workers, places = [] }: StoreSnapshot): void {
    for (const { metric: told, labels, blue, green } of series) {
      const metric = metricTold(told);
      // It comes from a version that had one more.
      if (metric === undefined) continue;
      const mine = this.#resolve(metric, labels);
      for (let i = 0; i < blue.length; i++) {
        if (blue[i] !== 0) mine.blue.add(i, blue[i]);
        if (green[i] !== 0) mine.green.add(i, green[i]);
      }
    }
    for (const { id, colour, generation, definitions, sums } of workers) {
      this.attach({ id, colour, generation });
      const worker = this.#workers.get(id)!;
      this.#apply(worker, { definitions, indexes: new Uint32Array(), amounts: new Float64Array() });
      for (const [i, { index }] of definitions.entries()) {
        const part = worker.at[index];
        if (part) part.sum = sums[i];
      }
    }
    for (const [key, page, part] of places) {
      const owner = this.#owners.get(key);
      if (owner !== undefined) owner.place = { page, part };
    }
  }

  /** Removes what no live worker has had for ten minutes, and that has not changed since. */
  expire(): void {
    const now = this.#clock();
    for (const owner of this.#owners.values()) {
      if (owner.workers > 0 || now - owner.changed < lifetimeAfterUse) continue;
      this.#owners.delete(owner.key);
      this.#forget(owner);
      for (const { metric, labels } of owner.series) this.#families[metric.id].delete(JSON.stringify(labels));
    }
  }

  #define(worker: Worker, definition: SeriesDefinition): string | null {
    const { index, size, metric = '', labels } = definition ?? {};
    if (index !== worker.at.length || !(size === 1 || size === this.bounds.length + 2))
      return `a series of ${size} values at index ${index}, expected at ${worker.at.length}`;
    const part = this.#part(worker, index, size, metricTold(metric), labels);
    const refused = typeof part === 'string';
    for (let i = 0; i < size; i++) worker.at.push(refused ? null : part);
    return refused ? part : null;
  }

  #part(worker: Worker, index: number, size: number, metric: Metric | undefined, labels: string[]): Part | string {
    if (metric === undefined) return 'a series that the catalogue does not have';
    if (size !== this.#size(metric)) return `${metric.name} with ${size} values`;
    if (!Array.isArray(labels) || labels.length !== metric.labels.length || !labels.every((l) => typeof l === 'string'))
      return `${metric.name} with other labels than ${metric.labels.join(', ')}`;
    const series = this.#resolve(metric, labels);
    if (worker.parts.has(series)) return `${metric.name} defined twice`;
    const part: Part = { series, cell: series[worker.colour], index, sum: 0 };
    worker.parts.set(series, part);
    if (metric.type === 'gauge') {
      part.cell.workers += 1;
      worker.gauges.push(part);
    }
    if (closedBy.has(metric.id)) worker.opened.push(part);
    if (!worker.owners.has(series.owner)) {
      worker.owners.add(series.owner);
      series.owner.workers += 1;
    }
    return part;
  }

  /** The series of these labels, made at 0 in both colours when it is new. */
  #resolve(metric: Metric, labels: readonly string[]): Series {
    const family = this.#families[metric.id];
    const key = JSON.stringify(labels);
    const known = family.get(key);
    if (known !== undefined) return known;
    const owner = this.#owner(labels.slice(0, labels.length - metric.own.length));
    const cell = (colour: Colour) =>
      new Cell(this.#zeros[metric.type === 'histogram' ? 1 : 0], () =>
        labelText(metric, labels, this.#machine, colour),
      );
    const series = { metric, labels, owner, blue: cell('blue'), green: cell('green') };
    family.set(key, series);
    owner.series.push(series);
    owner.bytes += this.#bytes(metric, labels);
    return series;
  }

  #owner(labels: readonly string[]): Owner {
    const key = JSON.stringify(labels);
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const [app = '', instance = null] = labels;
    const made = { series: [], bytes: 0, place: null, workers: 0, changed: this.#clock() };
    const owner: Owner = { key, app, instance, ...made };
    this.#owners.set(key, owner);
    const all = this.#apps.get(app);
    if (all === undefined) this.#apps.set(app, new Set([owner]));
    else all.add(owner);
    return owner;
  }

  #forget(owner: Owner): void {
    const all = this.#apps.get(owner.app)!;
    all.delete(owner);
    if (all.size === 0) this.#apps.delete(owner.app);
  }

  /** What a series takes of a page, in both colours, about. */
  #bytes(metric: Metric, labels: readonly string[]): number {
    const lines = metric.type === 'histogram' ? this.bounds.length + 3 : 1;
    return 2 * lines * lineBytes(metric, labels, this.#machine);
  }

  #close(worker: Worker, { series, sum }: Part): void {
    if (sum === 0) return;
    const closing = this.#resolve(metrics[closedBy.get(series.metric.id)!], series.labels);
    const open = sum - (worker.parts.get(closing)?.sum ?? 0);
    if (open > 0) closing[worker.colour].add(0, open);
  }

  #size(metric: Metric): number {
    return metric.type === 'histogram' ? this.bounds.length + 2 : 1;
  }
}
