import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MetricId, metrics } from '../../src/metrics/catalogue.ts';
import { document, documentPath } from '../../src/metrics/document.ts';
import { labelNames } from '../../src/metrics/labels.ts';
import { allSeries } from '../../src/metrics/series.ts';

test('the given names, types and labels, then our own, in their order', () => {
  const rows = metrics.map((metric) => [metric.name, metric.type, labelNames(metric).join()]);
  const edge = 'app,region,host,proxy_id';
  const app = 'app,region,host,instance,proxy_id';
  const slot = 'region,host,proxy_id';
  expect(rows).toEqual([
    ['fly_edge_http_responses_count', 'counter', `${edge},status`],
    ['fly_edge_http_response_time_seconds', 'histogram', `${edge},status`],
    ['fly_edge_tcp_connects_count', 'counter', edge],
    ['fly_edge_tcp_disconnects_count', 'counter', edge],
    ['fly_edge_data_out', 'counter', edge],
    ['fly_edge_data_in', 'counter', edge],
    ['fly_edge_tls_handshake_errors', 'counter', `${edge},servername`],
    ['fly_edge_tls_handshake_time_seconds', 'histogram', `${edge},version`],
    ['fly_app_concurrency', 'gauge', app],
    ['fly_app_http_responses_count', 'counter', `${app},status`],
    ['fly_app_http_response_time_seconds', 'histogram', `${app},status`],
    ['fly_app_connect_time_seconds', 'histogram', app],
    ['fly_app_tcp_connects_count', 'counter', app],
    ['fly_app_tcp_disconnects_count', 'counter', app],
    ['fly_edge_error_count', 'counter', `${edge},code`],
    ['fly_app_soft_limit_reached_count', 'counter', app],
    ['fly_app_hard_limit_reached_count', 'counter', app],
    ['fly_slot_generation', 'gauge', slot],
    ['fly_slot_state', 'gauge', `${slot},state`],
    ['fly_slot_build_info', 'gauge', `${slot},version`],
    ['fly_slot_flips_count', 'counter', `${slot},result`],
    ['fly_slot_drain_time_seconds', 'histogram', slot],
    ['fly_slot_drain_cut_count', 'counter', slot],
    ['fly_slot_worker_restarts_count', 'counter', `${slot},reason`],
    ['fly_app_soft_limit', 'gauge', app],
    ['fly_app_hard_limit', 'gauge', app],
    ['fly_app_instance_healthy', 'gauge', `${app},check`],
  ]);
});

test('short names lead to their series', () => {
  expect(metrics[MetricId.edgeDataIn].name).toBe('fly_edge_data_in');
  expect(metrics[MetricId.appHardLimitReached].labels).toEqual(['app', 'instance']);
  expect(metrics.map((metric) => metric.id)).toEqual(Object.values(MetricId));
});

test('each example asks for its own series', () => {
  for (const { name, query } of allSeries) expect(query).toContain(name);
});

test('each name is declared once, with what it needs', () => {
  expect(new Set(allSeries.map(({ name }) => name)).size).toBe(allSeries.length);
  for (const { help, unit, source, labels } of allSeries) {
    for (const text of [help, unit, source]) expect(text).not.toBe('');
    expect(new Set(labels).size).toBe(labels.length);
  }
});

test('docs/metrics.md is up to date (npm run docs)', () => {
  expect(readFileSync(documentPath, 'utf8')).toBe(document());
});

test("README's table counts the names as they are", () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const counts = Object.fromEntries(
    [...readme.matchAll(/^\| (`(?:fly|pg)_\S+`.*?) \|.*\| (\d+) \|$/gm)].map(([, names, count]) => [
      names,
      Number(count),
    ]),
  );
  const starting = (...prefixes: string[]) =>
    allSeries.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix))).length;
  expect(counts).toEqual({
    '`fly_edge_*`, `fly_app_*`': starting('fly_edge_', 'fly_app_'),
    '`fly_slot_*`': starting('fly_slot_'),
    '`fly_instance_*`': starting('fly_instance_'),
    '`fly_volume_*`': starting('fly_volume_'),
    '`pg_*`': starting('pg_'),
  });
});
