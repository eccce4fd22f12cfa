import { format } from '../model/format.ts';
import type { Headline } from '../model/headline.ts';
import { byId, element, replaceWhenChanged, setText } from './dom.ts';

/** @param time of the values, seconds since 1970. */
export function showHeadlines(all: readonly Headline[], time: number): void {
  const list = byId('headlines');
  list.dataset.time = String(time);
  replaceWhenChanged(list, all.map(({ id }) => id).join(), () =>
    all.map(({ id, label }) => element('div', { id: `headline-${id}` }, element('dt', {}, label), element('dd', {}))),
  );
  for (const { id, value, unit } of all) {
    const shown = byId(`headline-${id}`).querySelector('dd')!;
    shown.dataset.value = value === null ? '' : String(value);
    setText(shown, format(value, unit));
  }
}
