import { expect, test } from 'vitest';
import { MetricId } from '../../src/metrics/catalogue.ts';
import { Recorder } from '../../src/metrics/recorder.ts';
import { StatusSeries } from '../../src/metrics/status.ts';
import { seeded } from '../helpers/random.ts';
import { bounds } from './helpers.ts';

const amounts = (recorder: Recorder) => {
  const counts = recorder.collect();
  return counts && Object.fromEntries(Array.from(counts.indexes, (index, i) => [index, counts.amounts[i]]));
};

test('a series keeps its index, and other labels make another', () => {
  const recorder = new Recorder(bounds);
  const first = recorder.series(MetricId.edgeErrors, ['a', 'b,c']);
  expect(recorder.series(MetricId.edgeErrors, ['a', 'b,c'])).toBe(first);
  expect(recorder.series(MetricId.edgeErrors, ['a,b', 'c'])).not.toBe(first);
  expect(recorder.series(MetricId.edgeTlsHandshakeErrors, ['a', 'b,c'])).not.toBe(first);
});

test('definitions are handed out once, with room for the buckets', () => {
  const recorder = new Recorder(bounds);
  recorder.series(MetricId.appConnectTime, ['a', 'i']);
  recorder.series(MetricId.edgeDataIn, ['a']);
  expect(recorder.collect()!.definitions).toEqual([
    { index: 0, size: bounds.length + 2, metric: 'fly_app_connect_time_seconds', labels: ['a', 'i'] },
    { index: bounds.length + 2, size: 1, metric: 'fly_edge_data_in', labels: ['a'] },
  ]);
  expect(recorder.collect()).toBeNull();
});

test('collect gives increments since the last one, and null when nothing moved', () => {
  const recorder = new Recorder(bounds);
  const bytes = recorder.series(MetricId.edgeDataIn, ['a']);
  const open = recorder.series(MetricId.appConcurrency, ['a', 'i']);
  recorder.add(bytes, 10);
  recorder.add(bytes, 5);
  recorder.inc(open);
  expect(amounts(recorder)).toEqual({ [bytes]: 15, [open]: 1 });
  recorder.inc(bytes);
  recorder.dec(open);
  expect(amounts(recorder)).toEqual({ [bytes]: 1, [open]: -1 });
  recorder.inc(open);
  recorder.dec(open);
  expect(recorder.collect()).toBeNull();
});

test('a counter never falls nor stops being a number', () => {
  const recorder = new Recorder(bounds);
  const bytes = recorder.series(MetricId.edgeDataIn, ['a']);
  recorder.collect();
  for (const amount of [-1, Number.NaN, Infinity, -Infinity, 0]) recorder.add(bytes, amount);
  expect(recorder.collect()).toBeNull();
});

test.each([
  [0, 0, 0],
  [0.001, 0, 0.001],
  [0.0010001, 1, 0.0010001],
  [1, 3, 1],
  [1.5, 4, 1.5],
  [-3, 0, 0],
  [Number.NaN, 0, 0],
  [Infinity, 0, 0],
])('%d seconds go to bucket %i', (seconds, bucket, sum) => {
  const recorder = new Recorder(bounds);
  const time = recorder.series(MetricId.appConnectTime, ['a', 'i']);
  recorder.observe(time, seconds);
  const expected: Record<number, number> = { [time + bucket]: 1 };
  if (sum > 0) expected[time + bounds.length + 1] = sum;
  expect(amounts(recorder)).toEqual(expected);
});

test('growing keeps every value', () => {
  const recorder = new Recorder(bounds);
  const indexes = Array.from({ length: 5000 }, (_, i) => {
    const index = recorder.series(MetricId.edgeDataIn, [`app${i}`]);
    recorder.add(index, i + 1);
    return index;
  });
  expect(amounts(recorder)).toEqual(Object.fromEntries(indexes.map((index, i) => [index, i + 1])));
});

test('the usual statuses are born, others come with their first response', () => {
  const recorder = new Recorder(bounds);
  const series = new StatusSeries(recorder, 'app', ['a', 'i']);
  const born = recorder.collect()!.definitions;
  const statuses = [200, 201, 204, 302, 403, 404, 500, 502, 503];
  expect(born.map(({ metric, labels }) => [metric, labels])).toEqual(
    statuses.map((status) => ['fly_app_http_responses_count', ['a', 'i', `${status}`]]),
  );
  expect(series.responses(404)).toBe(born[5]!.index);
  for (const status of [101, 418, 451, 511]) {
    expect(series.responses(status)).toBe(recorder.series(MetricId.appHttpResponses, ['a', 'i', `${status}`]));
    expect(series.responses(status)).toBe(series.responses(status));
    expect(series.time(status)).toBe(recorder.series(MetricId.appHttpResponseTime, ['a', 'i', `${status}`]));
    expect(series.time(status)).toBe(series.time(status));
  }
});

test('statuses that nobody registered are counted by class, and every one is counted', () => {
  const recorder = new Recorder(bounds);
  const series = new StatusSeries(recorder, 'app', ['a', 'i']);
  const registered = 60;
  const classes = ['2xx', '3xx', '4xx', '5xx', 'other'];
  recorder.collect();
  for (let status = 200; status <= 999; status++) {
    recorder.inc(series.responses(status));
    recorder.observe(series.time(status), 0.5);
  }
  const { definitions } = recorder.collect()!;
  const label = ({ labels }: { labels: readonly string[] }) => labels[2]!;
  const times = definitions.filter(({ metric }) => metric === 'fly_app_http_response_time_seconds').map(label);
  // All but 101 and 100, 102, 103, 104.
  expect(times).toHaveLength(registered - 1 + classes.length);
  expect(times.filter((name) => !/^\d{3}$/.test(name)).sort()).toEqual(classes);
  for (const [status, name] of [
    [209, '2xx'],
    [299, '2xx'],
    [309, '3xx'],
    [419, '4xx'],
    [499, '4xx'],
    [509, '5xx'],
    [599, '5xx'],
    [600, 'other'],
    [999, 'other'],
  ] as const)
    expect(series.responses(status)).toBe(recorder.series(MetricId.appHttpResponses, ['a', 'i', name]));
});

test('an edge has more statuses from birth', () => {
  const recorder = new Recorder(bounds);
  new StatusSeries(recorder, 'edge', ['a']);
  const statuses = recorder.collect()!.definitions.map(({ labels }) => Number(labels[1]));
  expect(statuses).toEqual([
    200, 201, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 429, 500, 501, 502,
    503, 504,
  ]);
});

test('whatever is recorded in whatever order, each increment is told once, also with series that are told later', () => {
  const next = seeded(7);
  const pick = (most: number) => Math.floor(next() * most);
  for (let round = 0; round < 20; round++) {
    const recorder = new Recorder(bounds);
    const width = bounds.length + 2;
    /** First index by kind. */
    const [counters, gauges, histograms]: number[][] = [[], [], []];
    const counted: number[] = [];
    const told: number[] = [];
    const grow = () => {
      const label = String(counters.length);
      counters.push(recorder.series(MetricId.edgeDataIn, [label]));
      gauges.push(recorder.series(MetricId.appConcurrency, [label, 'i']));
      histograms.push(recorder.series(MetricId.appConnectTime, [label, 'i']));
    };
    const change = (index: number, by: number) => (counted[index] = (counted[index] ?? 0) + by);
    const take = (most?: number) => {
      const counts = recorder.collect(most);
      for (const [i, index] of (counts?.indexes ?? []).entries()) {
        expect(counts!.amounts[i]).not.toBe(0);
        told[index] = (told[index] ?? 0) + counts!.amounts[i]!;
      }
    };
    for (let step = 0; step < 600; step++) {
      if (step === 0 || next() < 0.1) grow();
      const which = pick(counters.length);
      const kind = pick(6);
      if (kind === 0) recorder.inc(of(counters[which]!, 1));
      if (kind === 1) recorder.add(of(counters[which]!, 3), 3);
      if (kind === 2) recorder.inc(of(gauges[which]!, 1));
      if (kind === 3) recorder.dec(of(gauges[which]!, -1));
      if (kind === 4) {
        const bucket = pick(width - 1);
        recorder.observe(histograms[which]!, bucket === bounds.length ? 1024 : bounds[bucket]!);
        change(histograms[which]! + bucket, 1);
        change(histograms[which]! + width - 1, bucket === bounds.length ? 1024 : bounds[bucket]!);
      }
      if (kind === 5) take(next() < 0.5 ? 1 + pick(3) : undefined);
    }
    while (recorder.behind) take(1);
    take();
    const all = Array.from({ length: Math.max(counted.length, told.length) }, (_, i) => i);
    expect(all.map((i) => (told[i] ?? 0).toFixed(6))).toEqual(all.map((i) => (counted[i] ?? 0).toFixed(6)));

    function of(index: number, by: number): number {
      change(index, by);
      return index;
    }
  }
});
