/** A chart in words and numbers: for those who do not see it, and those who want it exactly. */

import { format } from '../model/format.ts';
import type { Value } from '../model/table.ts';
import type { View } from '../model/view.ts';
import { toSecond } from './clock.ts';
import { element } from './dom.ts';
import { boundLabel } from './heat-chart.ts';

interface Entry {
  label: string;
  values: Value[];
}

type ChartView = Exclude<View, { kind: 'limits' | 'slots' }>;

const entriesOf = (view: ChartView): Entry[] =>
  view.kind === 'heat'
    ? view.bounds.map((bound, i) => ({ label: boundLabel(bound), values: view.cells[i]! }))
    : view.lines;

const known = (values: readonly Value[]): number[] => values.filter((value) => value !== null);

/** Last, lowest and highest value of each line. */
export function valuesTable(title: string, view: View): HTMLTableElement {
  if (view.kind === 'slots') return slotsTable(title, view);
  if (view.kind === 'limits') throw new Error('it is a table already');
  const rows = entriesOf(view).map(({ label, values }) => {
    const all = known(values);
    const last = values.at(-1) ?? null;
    const cells: Value[] = [
      last,
      all.length === 0 ? null : Math.min(...all),
      all.length === 0 ? null : Math.max(...all),
    ];
    return element(
      'tr',
      { 'data-label': label },
      element('th', { scope: 'row' }, label),
      ...cells.map((value) => element('td', { class: 'number', 'data-value': value ?? '' }, format(value, view.unit))),
    );
  });
  return table(title, view.times, ['', 'last', 'lowest', 'highest'], rows);
}

function slotsTable(title: string, { times, slots }: Extract<View, { kind: 'slots' }>): HTMLTableElement {
  const rows = slots.map(({ colour, states, generation }) =>
    element(
      'tr',
      { 'data-label': colour },
      element('th', { scope: 'row' }, colour),
      element('td', {}, states.at(-1) ?? 'not there'),
      element('td', { class: 'number' }, String(generation.at(-1) ?? '–')),
      element('td', {}, history(states)),
    ),
  );
  return table(title, times, ['slot', 'state', 'generation', 'in this time'], rows);
}

/** `accepting, draining, gone`: what it went through. */
const history = (states: readonly (string | null)[]): string =>
  states
    .filter((state, i) => i === 0 || state !== states[i - 1])
    .map((state) => state ?? 'not there')
    .join(', then ');

function table(
  title: string,
  times: readonly number[],
  columns: string[],
  rows: HTMLTableRowElement[],
): HTMLTableElement {
  const last = times.at(-1);
  const when = last === undefined ? '' : ` at ${toSecond(last)}`;
  return element(
    'table',
    { 'data-time': last },
    element('caption', {}, `${title}${when}`),
    element(
      'thead',
      {},
      element('tr', {}, ...columns.map((name) => element(name === '' ? 'td' : 'th', { scope: 'col' }, name))),
    ),
    element('tbody', {}, ...rows),
  );
}

/** One sentence: the last values. */
export function summary(title: string, view: View): string {
  if (view.kind === 'slots') {
    const parts = view.slots.map(({ colour, states, generation }) => {
      const state = states.at(-1);
      return `${colour} ${state == null ? 'not there' : `${state}, generation ${generation.at(-1) ?? 'unknown'}`}`;
    });
    return `${title}: ${parts.join('; ')}`;
  }
  if (view.kind === 'limits') return title;
  const parts = entriesOf(view).map(({ label, values }) => `${label} ${format(values.at(-1) ?? null, view.unit)}`);
  return `${title}: ${parts.join('; ')}`;
}
