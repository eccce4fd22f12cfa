import { describe, expect, test } from 'vitest';
import type { Counts } from '../../src/base/counts.ts';
import { MetricId } from '../../src/metrics/catalogue.ts';
import { select, sum } from '../helpers/exposition.ts';
import { bounds, minute, pageOf, storeAt, workerOf } from './helpers.ts';

const connects = 'fly_edge_tcp_connects_count';
const disconnects = 'fly_edge_tcp_disconnects_count';

test('workers and generations of a colour add up in one series', () => {
  const { store } = storeAt();
  for (const [id, colour, generation] of [
    [1, 'blue', 1],
    [2, 'blue', 1],
    [3, 'green', 2],
    [4, 'blue', 3],
  ] as const) {
    const worker = workerOf(store, id, colour, generation);
    worker.recorder.add(worker.recorder.series(MetricId.edgeDataIn, ['a']), 10 ** id);
    expect(worker.ship()).toBeNull();
  }
  const page = pageOf(store);
  expect(page.get('fly_edge_data_in')).toHaveLength(2);
  expect(sum(page, 'fly_edge_data_in', { proxy_id: 'blue' })).toBe(10_110);
  expect(sum(page, 'fly_edge_data_in', { proxy_id: 'green' })).toBe(1000);
});

test('counters and histograms are born in both colours, gauges in their own', () => {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'green');
  recorder.series(MetricId.edgeDataIn, ['a']);
  recorder.series(MetricId.appConnectTime, ['a', 'i']);
  recorder.series(MetricId.appConcurrency, ['a', 'i']);
  ship();
  const page = pageOf(store);
  const colours = (name: string) => page.get(name)!.map(({ labels, value }) => [labels.proxy_id, value]);
  expect(colours('fly_edge_data_in')).toEqual([
    ['blue', 0],
    ['green', 0],
  ]);
  expect(colours('fly_app_connect_time_seconds_count')).toEqual([
    ['blue', 0],
    ['green', 0],
  ]);
  expect(colours('fly_app_concurrency')).toEqual([['green', 0]]);
});

test('a gauge is the sum over live workers, 0 while one lives, gone with the last', () => {
  const { store } = storeAt();
  const workers = [workerOf(store, 1, 'blue'), workerOf(store, 2, 'blue')];
  for (const { recorder, ship } of workers) {
    const open = recorder.series(MetricId.appConcurrency, ['a', 'i']);
    recorder.inc(open);
    recorder.inc(open);
    ship();
    recorder.dec(open);
    ship();
  }
  const values = () =>
    pageOf(store)
      .get('fly_app_concurrency')
      ?.map(({ value }) => value);
  expect(values()).toEqual([2]);
  store.detach(1);
  expect(values()).toEqual([1]);
  store.detach(2);
  expect(values()).toBeUndefined();
  const next = workerOf(store, 3, 'blue', 3);
  next.recorder.series(MetricId.appConcurrency, ['a', 'i']);
  next.ship();
  expect(values()).toEqual([0]);
});

test("a dead worker's open connections are disconnects of its colour, and other workers' are not", () => {
  const { store } = storeAt();
  for (const [id, opened, closed] of [
    [1, 5, 2],
    [2, 7, 3],
  ]) {
    const { recorder, ship } = workerOf(store, id, 'green');
    for (const [metric, labels, n] of [
      [MetricId.edgeTcpConnects, ['a'], opened],
      [MetricId.edgeTcpDisconnects, ['a'], closed],
      [MetricId.appTcpConnects, ['a', 'i'], 2 * opened],
    ] as const)
      recorder.add(recorder.series(metric, [...labels]), n);
    ship();
  }
  store.detach(1);
  store.detach(1);
  const page = pageOf(store);
  expect(sum(page, connects)).toBe(12);
  expect(sum(page, disconnects, { proxy_id: 'green' })).toBe(2 + 3 + 3);
  expect(sum(page, disconnects, { proxy_id: 'blue' })).toBe(0);
  expect(sum(page, 'fly_app_tcp_disconnects_count', { proxy_id: 'green' })).toBe(10);
});

describe('lifetime', () => {
  const setup = () => {
    const { store, wait } = storeAt();
    const worker = workerOf(store, 1, 'blue');
    const count = (labels: string[]) => worker.recorder.inc(worker.recorder.series(MetricId.appHttpResponses, labels));
    count(['a', 'i', '200']);
    count(['a', 'i', '503']);
    count(['a', 'j', '200']);
    worker.recorder.inc(worker.recorder.series(MetricId.edgeDataIn, ['a']));
    worker.ship();
    /** A worker of the next generation, which has instance j only and never saw a 503. */
    const next = () => {
      const { recorder, ship } = workerOf(store, 2, 'green', 2);
      recorder.series(MetricId.appHttpResponses, ['a', 'j', '200']);
      recorder.series(MetricId.edgeDataIn, ['a']);
      ship();
    };
    return { store, wait, next };
  };
  const responses = (page: ReturnType<typeof pageOf>, filter: Record<string, string>) =>
    select(page, 'fly_app_http_responses_count', filter).length;

  test('what a worker has stays, however long nothing changes', () => {
    const { store, wait } = setup();
    wait(100 * minute);
    store.expire();
    expect(responses(pageOf(store), { instance: 'i' })).toBe(4);
  });

  test('a replaced instance disappears whole after ten minutes, the app and its other instance stay', () => {
    const { store, wait, next } = setup();
    next();
    store.detach(1);
    wait(10 * minute - 1);
    store.expire();
    expect(responses(pageOf(store), { instance: 'i' })).toBe(4);
    wait(1);
    store.expire();
    const page = pageOf(store);
    expect(responses(page, { instance: 'i' })).toBe(0);
    expect(responses(page, { instance: 'j' })).toBe(2);
    expect(sum(page, 'fly_edge_data_in')).toBe(1);
  });

  test('a status that the new generation has not seen stays with its instance', () => {
    const { store, wait } = setup();
    const { recorder, ship } = workerOf(store, 2, 'green', 2);
    recorder.series(MetricId.appHttpResponses, ['a', 'i', '200']);
    ship();
    store.detach(1);
    wait(11 * minute);
    store.expire();
    expect(sum(pageOf(store), 'fly_app_http_responses_count', { instance: 'i', status: '503' })).toBe(1);
  });

  test('a worker that crashes after a quiet hour takes nothing along', () => {
    const { store, wait, next } = setup();
    wait(60 * minute);
    store.detach(1);
    store.expire();
    next();
    expect(sum(pageOf(store), 'fly_edge_data_in', { proxy_id: 'blue' })).toBe(1);
  });
});

describe('a faulty message is an error value, and what is right in it counts', () => {
  const good = { index: 0, size: 1, metric: MetricId.edgeDataIn, labels: ['a'] };
  const counts = (definitions: unknown, indexes: number[] = [], amounts: number[] = []) =>
    ({
      definitions,
      indexes: Uint32Array.from(indexes),
      amounts: Float64Array.from(amounts),
    }) as Counts;
  test.each([
    ['no series at index 7', counts([good], [7, 0], [1, 1]), 1],
    ['fly_edge_data_in by -5', counts([good], [0, 0], [-5, 2]), 2],
    ['fly_edge_data_in by NaN', counts([good], [0], [Number.NaN]), 0],
    ['fly_edge_data_in by Infinity', counts([good], [0], [Infinity]), 0],
    ['2 indexes for 1 amounts', counts([good], [0, 0], [1]), undefined],
    ['wrong form', { definitions: null } as unknown as Counts, undefined],
    ['index 9, expected at 0', counts([{ ...good, index: 9 }]), undefined],
    ['1000000000 values', counts([{ ...good, size: 1e9 }]), undefined],
    ['undefined values', counts([null]), undefined],
    [
      'catalogue',
      counts(
        [
          { ...good, metric: 999 },
          { ...good, index: 1 },
        ],
        [0, 1],
        [1, 3],
      ),
      3,
    ],
    ['data_in with 6 values', counts([{ ...good, size: bounds.length + 2 }]), undefined],
    ['other labels than app', counts([{ ...good, labels: ['a', 'b'] }]), undefined],
    ['other labels than app', counts([{ ...good, labels: [1] }]), undefined],
    ['other labels than app', counts([{ ...good, labels: 'a' }]), undefined],
    ['defined twice', counts([good, { ...good, index: 1 }], [0, 1], [1, 1]), 1],
  ])('%s', (fault, message, counted) => {
    const { store } = storeAt();
    store.attach({ id: 1, colour: 'blue', generation: 4 });
    const found = store.apply(1, message);
    expect(found).toContain('worker 1 (blue, generation 4)');
    expect(found).toContain(fault);
    expect(pageOf(store).get('fly_edge_data_in')?.[0].value).toBe(counted);
  });

  test('from a worker that is not attached', () => {
    const { store } = storeAt();
    store.attach({ id: 1, colour: 'blue', generation: 4 });
    store.detach(1);
    expect(store.apply(1, counts([good], [0], [1]))).toContain('not attached');
    expect(pageOf(store).size).toBe(0);
  });
});

describe('another store that goes on', () => {
  const counted = (page: ReturnType<typeof pageOf>, name: string, filter = {}) => sum(page, name, filter);

  test('has all values, and adds what the same workers go on to count', () => {
    const { store } = storeAt();
    const worker = workerOf(store, 1, 'blue');
    const { recorder } = worker;
    const opened = recorder.series(MetricId.edgeTcpConnects, ['a']);
    const open = recorder.series(MetricId.appConcurrency, ['a', 'i']);
    const time = recorder.series(MetricId.appConnectTime, ['a', 'i']);
    recorder.add(opened, 3);
    recorder.inc(open);
    recorder.observe(time, 0.05);
    worker.ship();
    const gone = workerOf(store, 2, 'green');
    gone.recorder.add(gone.recorder.series(MetricId.edgeDataIn, ['a']), 7);
    gone.ship();
    store.detach(2);

    const { store: next } = storeAt();
    const own = workerOf(next, 3, 'green');
    own.recorder.add(own.recorder.series(MetricId.edgeTcpConnects, ['a']), 10);
    own.ship();
    next.restore(structuredClone(store.snapshot()));
    recorder.add(opened, 1);
    recorder.inc(open);
    recorder.observe(time, 0.5);
    recorder.add(recorder.series(MetricId.edgeDataIn, ['b']), 5);
    const counts = recorder.collect()!;
    expect(next.apply(1, counts)).toBeNull();
    let page = pageOf(next);
    expect(counted(page, connects, { proxy_id: 'blue' })).toBe(4);
    expect(counted(page, connects, { proxy_id: 'green' })).toBe(10);
    expect(counted(page, 'fly_app_concurrency')).toBe(2);
    expect(counted(page, 'fly_app_connect_time_seconds_bucket', { le: '0.1' })).toBe(1);
    expect(counted(page, 'fly_app_connect_time_seconds_count')).toBe(2);
    expect(counted(page, 'fly_edge_data_in', { app: 'a' })).toBe(7);
    expect(counted(page, 'fly_edge_data_in', { app: 'b' })).toBe(5);

    next.detach(1);
    page = pageOf(next);
    expect(counted(page, disconnects, { proxy_id: 'blue' })).toBe(4);
    expect(page.has('fly_app_concurrency')).toBe(false);
  });

  test('keeps the place of a series that was refused', () => {
    const { store } = storeAt();
    store.attach({ id: 1, colour: 'blue', generation: 1 });
    const definitions = [
      { index: 0, size: 1, metric: 999, labels: ['a'] },
      { index: 1, size: 1, metric: MetricId.edgeDataIn, labels: ['a'] },
    ];
    expect(store.apply(1, { definitions, indexes: Uint32Array.of(1), amounts: Float64Array.of(2) })).not.toBeNull();
    const { store: next } = storeAt();
    next.restore(structuredClone(store.snapshot()));
    expect(next.apply(1, { definitions: [], indexes: Uint32Array.of(1), amounts: Float64Array.of(3) })).toBeNull();
    expect(sum(pageOf(next), 'fly_edge_data_in')).toBe(5);
  });

  test('lets go what no worker has ten minutes later', () => {
    const { store } = storeAt();
    const worker = workerOf(store, 1, 'blue');
    worker.recorder.add(worker.recorder.series(MetricId.edgeDataIn, ['a']), 1);
    worker.ship();
    const { store: next, wait } = storeAt();
    next.restore(structuredClone(store.snapshot()));
    wait(11 * minute);
    next.expire();
    expect(sum(pageOf(next), 'fly_edge_data_in')).toBe(1);
    next.detach(1);
    wait(11 * minute);
    next.expire();
    expect(pageOf(next).size).toBe(0);
  });
});
