import { expect, test } from 'vitest';
import { LiveStore, liveWindow } from '../../../src/page/model/live-store.ts';
import { others, type Read } from '../../../src/page/model/read.ts';

const page = (store: LiveStore, time: number, text: string) => {
  store.begin();
  store.push(text);
  store.commit(time);
};

const responses = (by: string[] = []): Read => ({ metric: 'fly_edge_http_responses_count', as: 'rate', by });
const counted = (counts: Record<string, number>, app = 'shop') =>
  Object.entries(counts)
    .map(
      ([status, n]) =>
        `fly_edge_http_responses_count{app="${app}",region="iad",proxy_id="blue",status="${status}"} ${n}\n`,
    )
    .join('');
const rows = (store: LiveStore, read: Read, seconds = 1000, selection = {}) =>
  store.range(read, selection, seconds).rows.map(({ labels, values }) => [Object.values(labels).join(' '), ...values]);

test('a rate is the growth over the last seconds; the first page has none', () => {
  const store = new LiveStore(100);
  for (let i = 0; i <= 10; i++) page(store, 1000 + 2 * i, counted({ 200: 100 + i * i }));
  const [[, ...rate]] = rows(store, responses()) as [[string, ...number[]]];
  expect(rate.slice(0, 3)).toEqual([null, 1 / 2, 4 / 4]);
  // Five pages of two seconds.
  expect(rate.at(-1)).toBe((100 - 25) / liveWindow);
});

test('after a reset a counter has counted from 0, and no rate is negative', () => {
  const store = new LiveStore(100);
  page(store, 0, counted({ 200: 1000 }));
  page(store, 2, counted({ 200: 1010 }));
  page(store, 4, counted({ 200: 6 }));
  expect(rows(store, responses())).toEqual([['', null, 5, 4]]);
});

test('a series that comes later has counted from 0; one that is gone takes nothing along', () => {
  const store = new LiveStore(100);
  page(store, 0, counted({ 200: 1000, 404: 500 }));
  page(store, 10, counted({ 200: 1020, 418: 10 }));
  page(store, 20, counted({ 200: 1020, 418: 10 }));
  expect(rows(store, responses(['status']))).toEqual([
    ['200', null, 2, 0],
    ['404', null, null, null],
    ['418', null, 1, 0],
  ]);
  expect(rows(store, responses())).toEqual([['', null, 3, 0]]);
});

test('a page that broke off does not count', () => {
  const store = new LiveStore(100);
  page(store, 0, counted({ 200: 10 }));
  store.begin();
  store.push(counted({ 200: 20 }));
  page(store, 10, counted({ 200: 30, 404: 0 }));
  expect(rows(store, responses())).toEqual([['', null, 2]]);
});

test('a pause is one long step', () => {
  const store = new LiveStore(100);
  page(store, 0, counted({ 200: 0 }));
  page(store, 600, counted({ 200: 60 }));
  page(store, 602, counted({ 200: 70 }));
  expect(rows(store, responses())).toEqual([['', null, 0.1, 5]]);
});

test('by app and region, and only what was chosen', () => {
  const store = new LiveStore(100);
  page(store, 0, counted({ 200: 0 }) + counted({ 200: 0 }, 'blog'));
  page(store, 10, counted({ 200: 10 }) + counted({ 200: 30 }, 'blog'));
  expect(rows(store, responses(['app']))).toEqual([
    ['shop', null, 1],
    ['blog', null, 3],
  ]);
  expect(rows(store, responses(), 1000, { app: 'blog' })).toEqual([['', null, 3]]);
  expect(rows(store, responses(), 1000, { region: 'fra' })).toEqual([]);
  expect(store.labelValues('app')).toEqual(['blog', 'shop']);
});

test('gauges: the sum or the highest, absent when they are', () => {
  const store = new LiveStore(100);
  const limit = (colour: string, n: number) =>
    `fly_app_soft_limit{app="a",region="r",instance="i",proxy_id="${colour}"} ${n}\n`;
  page(store, 0, limit('blue', 20));
  page(store, 2, limit('blue', 20) + limit('green', 30));
  page(store, 4, limit('green', 30));
  page(store, 6, '');
  const read: Read = { metric: 'fly_app_soft_limit', as: 'value', by: ['instance'], combine: 'max' };
  expect(rows(store, read)).toEqual([['i', 20, 30, 30, null]]);
  expect(rows(store, read, 0)).toEqual([['i', null]]);
  expect(rows(store, { ...read, by: ['proxy_id'] })).toEqual([
    ['blue', 20, 20, null, null],
    ['green', null, 30, 30, null],
  ]);
});

test('the highest rows, and the sum of all others', () => {
  const store = new LiveStore(10);
  const text = Array.from(
    { length: 1000 },
    (_, i) => `fly_app_concurrency{app="a",region="r",instance="i${i}"} ${i}\n`,
  );
  page(store, 0, text.join(''));
  const read: Read = { metric: 'fly_app_concurrency', as: 'value', by: ['instance'], top: 2 };
  expect(rows(store, read)).toEqual([
    ['i999', 999],
    ['i998', 998],
    [others, (997 * 998) / 2],
  ]);
  expect(rows(store, read, 1000, { instance: 'i99' }).map(([name]) => name)).toEqual(['i999', 'i998', others]);
  expect(rows(store, { ...read, sumless: true })).toHaveLength(2);
});

test('the ring holds so many pages, and groups that are gone leave it', () => {
  const store = new LiveStore(5);
  page(store, 0, counted({ 418: 1 }));
  for (let i = 1; i <= 14; i++) page(store, i, counted({ 200: i }));
  expect(store.range(responses(), {}, 1000).times).toEqual([10, 11, 12, 13, 14]);
  expect(store.range(responses(), {}, 2).times).toEqual([12, 13, 14]);
  expect(rows(store, responses(['status'])).map(([status]) => status)).toEqual(['200']);
});

test('a hundred thousand lines that nobody asked for leave no trace', () => {
  const store = new LiveStore(5);
  const line = (i: number) =>
    `fly_app_http_response_time_seconds_bucket{app="a",region="r",instance="i${i}",le="1"} ${i}\n`;
  const text = Array.from({ length: 100_000 }, (_, i) => line(i)).join('');
  page(store, 0, text);
  expect(store.labelValues('instance')).toEqual([]);
});
