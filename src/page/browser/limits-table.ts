/** Each instance against its limits: a bar for the eye, a sentence for everybody. */

import { format } from '../model/format.ts';
import type { LimitsRow, LimitsView } from '../model/view.ts';
import { element } from './dom.ts';

export function limitsTable({ rows }: LimitsView): HTMLTableElement {
  return element(
    'table',
    { class: 'limits' },
    element('caption', { class: 'unseen' }, 'Concurrency of each instance, with its limits'),
    element(
      'thead',
      {},
      element('tr', {}, ...['Instance', 'Now', 'Share', 'Limits'].map((name) => element('th', { scope: 'col' }, name))),
    ),
    element('tbody', {}, ...rows.map(row)),
  );
}

function row(limits: LimitsRow): HTMLTableRowElement {
  const { label, value } = limits;
  return element(
    'tr',
    {
      'data-label': label,
      'data-value': value ?? '',
      'data-soft': limits.soft ?? '',
      'data-hard': limits.hard ?? '',
      'data-ill': limits.ill ?? '',
    },
    element('th', { scope: 'row' }, label),
    element('td', { class: 'number' }, format(value, 'count')),
    element('td', { 'aria-hidden': 'true' }, bar(limits)),
    element('td', {}, sentence(limits)),
  );
}

function sentence(row: LimitsRow): string {
  return row.ill === undefined ? limitsOf(row) : `${row.ill}; ${limitsOf(row)}`;
}

function limitsOf({ value: now, soft, hard }: LimitsRow): string {
  const value = now ?? 0;
  if (soft === null) return '–';
  const limits = `soft ${soft}, ${hard === null ? 'no hard limit' : `hard ${hard}`}`;
  if (hard !== null && value >= hard) return `${limits}: full`;
  return value >= soft ? `${limits}: above soft` : limits;
}

function bar({ value: now, soft, hard, ill }: LimitsRow): HTMLElement {
  const value = now ?? 0;
  const end = Math.max(value, hard ?? 0, soft ?? 0) * 1.02 || 1;
  const track = element('div', { class: 'track' });
  const full = hard !== null && value >= hard;
  const tone = full || ill !== undefined ? 'bad' : soft !== null && value >= soft ? 'warn' : 'a';
  const fill = element('div', { class: `fill tone-${tone}` });
  fill.style.width = `${(100 * value) / end}%`;
  track.append(fill);
  for (const [kind, limit] of [['soft', soft] as const, ['hard', hard] as const]) {
    if (limit === null) continue;
    const mark = element('div', { class: `mark ${kind}` });
    mark.style.left = `${(100 * limit) / end}%`;
    track.append(mark);
  }
  return track;
}
