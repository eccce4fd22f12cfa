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
  | { name: 'stale'; since: number; last: number | null; problem: string };

let state: State = { name: 'connecting' };
/** The choice that is drawn, while another one is chosen; null: what is drawn is what is chosen. */
let before: string | null = null;

/** @param time of what is shown. @param remark what the reader should know about it. */
export function current(time: number, source: string, remark: string): void {
  if (state.name === 'stale') setText(byId('said'), `${source} answers again.`);
  state = { name: 'current', time };
  show('current', remark);
}

/** @param problem why there was no answer. */
export function stale(time: number, source: string, problem: string): void {
  if (state.name !== 'stale')
    state = { name: 'stale', since: time, last: state.name === 'current' ? state.time : null, problem: '' };
  state.problem = `${source} does not answer since ${toSecond(state.since)}: ${problem}.`;
  showStale(state);
}

/** @param drawn in words, a choice that is still drawn while another one is chosen; null: none is. */
export function choice(drawn: string | null): void {
  before = drawn;
  document.body.toggleAttribute('data-before', drawn !== null);
  if (state.name === 'stale') showStale(state);
}

function showStale({ last, problem }: Extract<State, { name: 'stale' }>): void {
  const of = before === null ? '' : `, of the choice before: ${before}`;
  const shown = last === null ? 'Nothing came yet' : `What you see is from ${toSecond(last)}${of}`;
  show('stale', `${problem} ${shown}. Trying again.`);
}

function show(name: State['name'], text: string): void {
  document.body.dataset.state = name;
  const banner = byId('banner');
  banner.hidden = text === '';
  setText(banner, text);
}
