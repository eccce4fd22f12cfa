/** Whether what is shown is from now. */

import { toSecond } from './clock.ts';
import { byId, setText } from './dom.ts';

/**
 * connecting  nothing came yet
 * current     the last look was answered
 * stale       it was not: what is shown is from before
 */
type State =
  | { name: 'connecting' }
  | { name: 'current'; time: number }
  | { name: 'stale'; since: number; last: number | null };

let state: State = { name: 'connecting' };

/** @param time of what is shown. @param remark what the reader should know about it. */
export function current(time: number, source: string, remark: string): void {
  if (state.name === 'stale') setText(byId('said'), `${source} answers again.`);
  state = { name: 'current', time };
  show('current', remark);
}

/** @param problem why there was no answer. */
export function stale(time: number, source: string, problem: string): void {
  if (state.name !== 'stale')
    state = { name: 'stale', since: time, last: state.name === 'current' ? state.time : null };
  const shown = state.last === null ? 'Nothing came yet' : `What you see is from ${toSecond(state.last)}`;
  show('stale', `${source} does not answer since ${toSecond(state.since)}: ${problem}. ${shown}. Trying again.`);
}

function show(name: State['name'], text: string): void {
  document.body.dataset.state = name;
  const banner = byId('banner');
  banner.hidden = text === '';
  setText(banner, text);
}
