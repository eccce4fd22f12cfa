import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { MetricId, metrics } from '../../src/metrics/catalogue.ts';
import { formatNumber, render } from '../../src/metrics/exposition.ts';
import { processRegistry, renderRegistry } from '../../src/metrics/process.ts';
import { StatusSeries } from '../../src/metrics/status.ts';
import { parseExposition, select, sum } from '../helpers/exposition.ts';
import { bounds, pageOf, pageText, storeAt, workerOf } from './helpers.ts';

/** A worker that has every series of the catalogue, for each app. */
function busyStore(apps: string[], instances = 1) {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  for (const app of apps)
    for (let i = 0; i < instances; i++) {
      new StatusSeries(recorder, 'edge', [app]);
      new StatusSeries(recorder, 'app', [app, `i${i}`]);
      for (const metric of metrics) {
        const labels = metric.labels.map((name) => (name === 'app' ? app : name === 'instance' ? `i${i}` : '200'));
        const index = recorder.series(metric.id, labels);
        if (metric.type === 'histogram') recorder.observe(index, 0.05);
        else recorder.inc(index);
      }
    }
  ship();
  return store;
}

test('a counter and a histogram, to the letter', () => {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'green');
  recorder.add(recorder.series(MetricId.edgeDataIn, ['a']), 7);
  const time = recorder.series(MetricId.appConnectTime, ['a', 'i']);
  for (const seconds of [0.001, 0.0625, 0.5, 4]) recorder.observe(time, seconds);
  ship();
  const blue = 'app="a",region="iad",host="2bc3",instance="i",proxy_id="blue"';
  const green = blue.replace('blue', 'green');
  const name = 'fly_app_connect_time_seconds';
  expect(pageText(store).split('\n')).toEqual([
    '# HELP fly_edge_data_in Bytes of TCP payload that the kernel delivered from clients; TLS records and HTTP heads count.',
    '# TYPE fly_edge_data_in counter',
    'fly_edge_data_in{app="a",region="iad",host="2bc3",proxy_id="blue"} 0',
    'fly_edge_data_in{app="a",region="iad",host="2bc3",proxy_id="green"} 7',
    `# HELP ${name} Time to make a TCP connection to the instance.`,
    `# TYPE ${name} histogram`,
    ...[...bounds, '+Inf'].map((le) => `${name}_bucket{${blue},le="${le}"} 0`),
    `${name}_sum{${blue}} 0`,
    `${name}_count{${blue}} 0`,
    `${name}_bucket{${green},le="0.001"} 1`,
    `${name}_bucket{${green},le="0.01"} 1`,
    `${name}_bucket{${green},le="0.1"} 2`,
    `${name}_bucket{${green},le="1"} 3`,
    `${name}_bucket{${green},le="+Inf"} 4`,
    `${name}_sum{${green}} 4.5635`,
    `${name}_count{${green}} 4`,
    '',
  ]);
});

test('label values survive the way there and back', () => {
  const names = ['quote"', 'back\\slash', 'line\nfeed', '\\n', '}', ',', '="', 'ünïcode 🚀', ''];
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  for (const [i, name] of names.entries())
    recorder.add(recorder.series(MetricId.edgeTlsHandshakeErrors, ['a', name]), i + 1);
  ship();
  const samples = select(pageOf(store), 'fly_edge_tls_handshake_errors', { proxy_id: 'blue' });
  expect(samples.map(({ labels, value }) => [labels.servername, value])).toEqual(names.map((name, i) => [name, i + 1]));
});

test.each([
  [0, '0'],
  [2 ** 53, '9007199254740992'],
  [1e21, '1e+21'],
  [1.5e-7, '1.5e-7'],
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
  [Number.NaN, 'NaN'],
])('%d is written as %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test("a page of some apps has all of theirs, and nothing of others', of no app's or of the slots'", () => {
  const store = busyStore(['a', 'b', '']);
  const apps = (page: ReturnType<typeof pageOf>) => new Set([...page.values()].flat().map(({ labels }) => labels.app));
  expect(apps(pageOf(store))).toEqual(new Set(['a', 'b', '', undefined]));
  const page = pageOf(store, new Set(['a', 'elsewhere']));
  expect(apps(page)).toEqual(new Set(['a']));
  const families = [...pageOf(store).values()].filter((samples) => 'app' in samples[0].labels);
  expect(page.size).toBe(families.length);
  expect(pageText(store, new Set())).toBe('');
});

test('a large page comes in pieces of whole lines, each family once', () => {
  const store = busyStore(['a'], 300);
  const pieces = [...render(store)];
  expect(pieces.length).toBeGreaterThan(5);
  for (const piece of pieces) {
    expect(piece.length).toBeLessThan(80 * 1024);
    expect(piece.endsWith('\n')).toBe(true);
  }
  const text = pieces.join('');
  expect(text.match(/^# TYPE /gm)).toHaveLength(metrics.length);
  const page = parseExposition(text);
  expect(sum(page, 'fly_app_tcp_connects_count')).toBe(300);
  expect(select(page, 'fly_app_connect_time_seconds_bucket', { le: '+Inf', proxy_id: 'blue' })).toHaveLength(300);
});

test('what changes while a page is written neither breaks a line nor a histogram', () => {
  const { store, wait } = storeAt();
  const first = workerOf(store, 1, 'blue');
  for (let i = 0; i < 500; i++)
    first.recorder.observe(first.recorder.series(MetricId.appConnectTime, ['a', `i${i}`]), 0.05);
  first.ship();
  let text = '';
  for (const piece of render(store)) {
    text += piece;
    if (store.apply(1, { definitions: [], indexes: Uint32Array.of(2), amounts: Float64Array.of(1) }) === null)
      store.detach(1);
    wait(3_600_000);
    store.expire();
  }
  const page = parseExposition(text);
  expect(sum(page, 'fly_app_connect_time_seconds_count')).toBe(
    sum(page, 'fly_app_connect_time_seconds_bucket', { le: '+Inf' }),
  );
  expect(pageText(store)).toBe('');
});

const promtool = (input: string) => spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });

test.skipIf(promtool('').error)('promtool can read the page, and remarks on nothing but the given names', async () => {
  const text =
    pageText(busyStore(['demo', 'we"ird\\app\n', ''])) +
    (await renderRegistry(processRegistry('fly_supervisor_build_info', '1.2.3')));
  const { status, stdout, stderr } = promtool(text);
  // 3: it could read everything and has remarks on style; 1: it could not.
  expect(status).toBe(3);
  const given =
    /^fly_\w+ (counter metrics should have "_total"|non-histogram and non-summary metrics should not have "_count") suffix$/;
  const library =
    /^nodejs_\w+ (non-counter metrics should not have "_total" suffix|metric name should not include type '\w+')$/;
  const remarks = (stdout + stderr).split('\n').filter((remark) => remark !== '');
  expect(remarks.filter((remark) => !given.test(remark) && !library.test(remark))).toEqual([]);
  expect(promtool(`${text}fly_app_concurrency{app="a} 1\n`).status).toBe(1);
});
