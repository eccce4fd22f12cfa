/** What is chosen: part of the URL's fragment, so that it can be bookmarked and is never sent. */

import type { Selection } from '../model/read.ts';
import { element, replaceWhenChanged } from './dom.ts';
import type { Choices, Span } from './source.ts';

export interface Chosen extends Selection {
  /** Seconds. */
  span: number;
}

export function readChosen(spans: readonly Span[], fallback: number): Chosen {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const span = fragment.get('span');
  return {
    app: fragment.get('app') ?? undefined,
    region: fragment.get('region') ?? undefined,
    span: spans.find(({ seconds }) => String(seconds) === span)?.seconds ?? fallback,
  };
}

export function writeChosen({ app, region, span }: Chosen): void {
  const fragment = new URLSearchParams({ span: String(span) });
  if (app !== undefined) fragment.set('app', app);
  if (region !== undefined) fragment.set('region', region);
  history.replaceState(null, '', `#${fragment}`);
}

/** In words. */
export function described({ app, region, instance, span }: Chosen, spans: readonly Span[]): string {
  return [
    app === undefined ? 'all apps' : app === '' ? 'no app' : `app ${app}`,
    region === undefined ? 'all regions' : region === '' ? 'no region' : `region ${region}`,
    ...(instance === undefined ? [] : [`instances with ${instance}`]),
    `last ${spans.find(({ seconds }) => seconds === span)!.label}`,
  ].join(', ');
}

/** A labelled list; `all` stands for no choice. Values may be anything, the empty string too. */
export class Choice {
  readonly root: HTMLLabelElement;
  readonly #select: HTMLSelectElement;
  readonly #all: string | null;

  /** @param all text of the first entry; null: one must be chosen. */
  constructor(label: string, all: string | null, changed: (value: string | undefined) => void) {
    this.#all = all;
    this.#select = element('select', { name: label.toLowerCase() });
    this.#select.addEventListener('change', () => {
      const { value } = this.#select;
      changed(value === '*' ? undefined : value.slice(1));
    });
    this.root = element('label', {}, element('span', {}, label), this.#select);
  }

  /** @param chosen stays in the list when it is in no series any more. */
  show(values: readonly { value: string; label: string }[], chosen: string | undefined): void {
    const known = chosen === undefined || values.some(({ value }) => value === chosen);
    const all = known ? values : [...values, { value: chosen, label: `${chosen} (gone)` }];
    replaceWhenChanged(this.#select, JSON.stringify(all), () => [
      ...(this.#all === null ? [] : [element('option', { value: '*' }, this.#all)]),
      ...all.map(({ value, label }) => element('option', { value: `=${value}` }, label)),
    ]);
    this.#select.value = chosen === undefined ? '*' : `=${chosen}`;
  }
}

export const named = (values: Choices['apps'], unnamed: string) =>
  values.map((value) => ({ value, label: value === '' ? unnamed : value }));

/** A field that picks, of many instances, those whose ids hold what is typed. */
export function instanceFilter(changed: (part: string | undefined) => void): HTMLElement {
  const input = element('input', { type: 'search', name: 'instance', spellcheck: 'false', autocomplete: 'off' });
  let timer: ReturnType<typeof setTimeout> | undefined;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => changed(input.value.trim() || undefined), 200);
  });
  return element('label', {}, element('span', {}, 'Instances with'), input);
}
