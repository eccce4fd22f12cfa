import { expect, test } from 'vitest';
import { headlineReads, headlines } from '../../../src/page/model/headline.ts';
import type { Panel, Tables } from '../../../src/page/model/panel.ts';
import { sections } from '../../../src/page/model/panels.ts';
import type { Table, Value } from '../../../src/page/model/table.ts';
import { empty } from '../../../src/page/model/view.ts';

const panels = sections.flatMap((section) => section.panels);
const panel = (id: string): Panel => panels.find((found) => found.id === id)!;
const table = (...rows: [labels: Record<string, string>, ...values: Value[]][]): Table => ({
  times: rows[0]?.slice(1).map((_, i) => 100 + i) ?? [100, 101],
  rows: rows.map(([labels, ...values]) => ({ labels, values })),
});
const nothing = (reads: Panel['reads']): Tables =>
  Object.fromEntries(Object.keys(reads).map((name) => [name, table()]));

test.each(panels.map(({ id }) => [id]))('%s has nothing to show when nothing is there, and says why', (id) => {
  const found = panel(id);
  expect(empty(found.view(nothing(found.reads)))).toBe(true);
  expect(found.empty).toMatch(/\.$/);
  expect(found.help).toMatch(/\.$/);
});

test('panels are told apart by their ids', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});

test('responses are added up by class', () => {
  const responses = table(
    [{ status: '200' }, 1, 2],
    [{ status: '204' }, 3, null],
    [{ status: '503' }, null, 4],
    [{ status: 'odd' }, 9, 9],
  );
  const view = panel('responses').view({ responses });
  expect(view).toMatchObject({
    lines: [
      { label: '2xx success', values: [4, 2], tone: 'good' },
      { label: '5xx server error', values: [null, 4], tone: 'bad' },
    ],
  });
});

test('errors that never came are no lines', () => {
  const errors = table([{ code: 'no_host' }, 0, 2], [{ code: 'queue_full' }, 0, 0]);
  const view = panel('errors').view({ errors });
  expect(view).toMatchObject({ lines: [{ label: 'no_host' }] });
});

test('a flip is two slots at work', () => {
  const state = table(
    [{ proxy_id: 'blue', state: 'accepting' }, 1, 0, 0],
    [{ proxy_id: 'blue', state: 'draining' }, 0, 1, 0],
    [{ proxy_id: 'green', state: 'starting' }, 1, 0, 0],
    [{ proxy_id: 'green', state: 'accepting' }, 0, 1, 1],
  );
  const generation = table([{ proxy_id: 'blue' }, 1, 1, 1], [{ proxy_id: 'green' }, 0, 2, 2]);
  expect(panel('slot-states').view({ state, generation })).toMatchObject({
    slots: [
      { colour: 'blue', generation: [1, 1, 1], states: ['accepting', 'draining', null] },
      { colour: 'green', generation: [0, 2, 2], states: ['starting', 'accepting', 'accepting'] },
    ],
  });
});

test('an instance stands against its own limits; the others against none', () => {
  const now = table(
    [{ app: 'a', instance: 'i1' }, 7],
    [{ app: 'b', instance: 'i1' }, 5],
    [{ app: '', instance: 'all others' }, 3],
  );
  const soft = table([{ app: 'a', instance: 'i1' }, 20], [{ app: 'b', instance: 'i1' }, 10]);
  const hard = table([{ app: 'b', instance: 'i1' }, 12]);
  const healthy = table([{ app: 'a', instance: 'i1', check: 'service' }, 1]);
  expect(panel('limits').view({ now, soft, hard, healthy })).toEqual({
    kind: 'limits',
    rows: [
      { label: 'a / i1', value: 7, soft: 20, hard: null },
      { label: 'b / i1', value: 5, soft: 10, hard: 12 },
      { label: 'all others', value: 3, soft: null, hard: null },
    ],
  });
});

test('instances that get no requests come first, also those that have the least to do', () => {
  const now = table([{ app: 'a', instance: 'i1' }, 7], [{ app: 'a', instance: 'i2' }, 1]);
  const well = (instance: string, service: number, passive: number): [Record<string, string>, number][] => [
    [{ app: 'a', instance, check: 'service' }, service],
    [{ app: 'a', instance, check: 'passive' }, passive],
  ];
  const healthy = table(...well('i1', 1, 1), ...well('i2', 1, 0), ...well('i3', 0, 0), ...well('i4', 1, 1));
  const soft = table([{ app: 'a', instance: 'i3' }, 20]);
  expect(panel('limits').view({ now, soft, hard: table(), healthy })).toMatchObject({
    rows: [
      { label: 'i2', value: 1, ill: 'ejected' },
      { label: 'i3', value: null, soft: 20, ill: 'fails its checks' },
      { label: 'i1', value: 7 },
    ],
  });
});

test('headlines', () => {
  const tables = {
    responses: table([{ status: '200' }, 9], [{ status: '503' }, 1]),
    times: table([{ le: '1' }, 10], [{ le: '+Inf' }, 10]),
    connects: table([{}, 12]),
    disconnects: table([{}, 5]),
  };
  expect(headlines(tables).map(({ id, value }) => [id, value])).toEqual([
    ['requests', 10],
    ['errors', 0.1],
    ['p99', 0.99],
    ['open', 7],
  ]);
  const none = headlines(nothing(headlineReads) as typeof tables);
  expect(none.map(({ value }) => value)).toEqual([null, null, null, null]);
});
