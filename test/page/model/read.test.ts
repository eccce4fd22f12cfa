import { expect, test } from 'vitest';
import { allSeries } from '../../../src/metrics/series.ts';
import { kept } from '../../../src/page/model/kept.ts';
import { sections } from '../../../src/page/model/panels.ts';
import { type Read, toQuery } from '../../../src/page/model/read.ts';

const read: Read = { metric: 'm', as: 'rate', by: ['status'] };

test.each<[Parameters<typeof toQuery>, string]>([
  [[read, {}, 60], 'sum by (status) (rate(m[60s]))'],
  [
    [{ ...read, metric: 'm_bucket', late: true, by: ['le'] }, { app: 'x', region: 'r' }, 60],
    'sum by (le) ((sum by (le, region, host) (increase_pure(m_bucket{app="x",region="r"}[60s])) and on (region, host) count by (region, host) (fly_edge_tcp_connects_count{region="r"} offset 60s)) / 60 or sum by (le, region, host) (rate(m_bucket{app="x",region="r"}[60s])))',
  ],
  [[{ ...read, as: 'value', by: [] }, { app: 'a"b' }, 60], 'sum(m{app="a\\"b"})'],
  [
    [{ ...read, combine: 'max' }, { app: 'x', region: 'iad' }, 30],
    'max by (status) (rate(m{app="x",region="iad"}[30s]))',
  ],
  [[{ ...read, where: { a: 'b', c: ['d.', 'e'] } }, {}, 60], 'sum by (status) (rate(m{a="b",c=~"d\\\\.|e"}[60s]))'],
  [
    [{ ...read, by: ['instance'] }, { instance: 'a.b' }, 60],
    'sum by (instance) (rate(m{instance=~".*a\\\\.b.*"}[60s]))',
  ],
  [[read, { instance: 'a' }, 60], 'sum by (status) (rate(m[60s]))'],
  [[{ ...read, top: 8 }, {}, 60], 'topk_max(8, sum by (status) (rate(m[60s])), "status=all others")'],
  [[{ ...read, top: 8, sumless: true }, {}, 60], 'topk_max(8, sum by (status) (rate(m[60s])))'],
  [[{ ...read, metric: 'fly_slot_state', as: 'value' }, { app: 'a' }, 60], 'sum by (status) (fly_slot_state)'],
  [
    [{ promql: (where, window) => `f(m{x="y",${where}}[${window}])`, by: [], top: 3 }, { app: 'a' }, 60],
    'topk_max(3, f(m{x="y",app="a"}[60s]))',
  ],
])('%j', (args, expected) => {
  expect(toQuery(...args)).toBe(expected);
});

const reads = sections.flatMap(({ panels }) => panels.flatMap((panel) => Object.values(panel.reads)));

test('the live store keeps what the panels read of it, by the labels that they need', () => {
  for (const read of reads) {
    if ('promql' in read) continue;
    const found = kept.get(read.metric);
    expect(found, read.metric).toBeDefined();
    expect(['app', 'region', ...found!.by], read.metric).toEqual(expect.arrayContaining([...read.by]));
    expect(read.as === 'rate' ? found!.type : 'any', read.metric).toBe(read.as === 'rate' ? 'counter' : 'any');
  }
});

test('every name that is kept or asked for is in the catalogue, with these labels', () => {
  const texts = reads.map((read) => ('promql' in read ? read.promql('', '60s') : ''));
  const asked = texts.flatMap((text) => text.match(/\b(fly|pg)_\w+/g) ?? []);
  const known = new Map(allSeries.map(({ name, type, labels }) => [name, { type, labels }]));
  for (const name of new Set([...kept.keys(), ...asked])) {
    const base = known.has(name) ? name : name.replace(/_(bucket|count)$/, '');
    expect(known.has(base), name).toBe(true);
  }
  for (const [name, { by }] of kept) {
    const { labels } = known.get(name) ?? known.get(name.replace(/_(bucket|count)$/, ''))!;
    expect([...labels, 'le'], name).toEqual(expect.arrayContaining([...by]));
  }
});
