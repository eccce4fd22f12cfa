import { expect, test } from 'vitest';
import { difference, reconcile, since } from '../../load/reconcile.ts';
import type { Relay } from '../../load/relay.ts';
import { keepAlive } from '../../load/scenarios/keep-alive.ts';
import { Tally } from '../../load/tally.ts';
import { parseExposition } from '../helpers/exposition.ts';

const before = parseExposition(`fly_edge_http_responses_count{app="a",proxy_id="blue",status="200"} 5
fly_edge_tcp_connects_count{app="a"} 1
`);
const after = parseExposition(`fly_edge_http_responses_count{app="a",proxy_id="blue",status="200"} 7
fly_edge_http_responses_count{app="a",proxy_id="green",status="200"} 1
fly_edge_http_response_time_seconds_count{app="a",status="200"} 3
fly_edge_tcp_connects_count{app="a"} 3
fly_edge_tcp_disconnects_count{app="a"} 2
fly_edge_data_in{app="a"} 100
fly_edge_data_out{app="a"} 200
fly_app_http_responses_count{app="a",instance="i",status="200"} 3
fly_app_http_response_time_seconds_count{app="a",instance="i",status="200"} 3
`);

function moved(answers: number) {
  const tally = new Tally();
  for (let i = 0; i < answers; i++) tally.add(200, 1);
  return {
    requests: 3,
    tally,
    relay: { opened: 2, closed: 2, sent: 100, received: 200, resets: 0 } as Relay,
    instances: new Map([['i', { responses: { 200: 3 }, opened: 0, closed: 0, bodies: 0 }]]),
    series: difference(before, after),
    after,
  };
}

test('a run in which all agree has no row that differs', () => {
  const rows = reconcile(keepAlive, moved(3));
  expect(rows.find((row) => row.measure === 'responses 200')).toMatchObject({ asked: 3, clients: 3, series: 3 });
  expect(rows.filter((row) => !row.equal)).toEqual([]);
});

test('one answer more at the clients marks the rows that it should be in', () => {
  const differing = reconcile(keepAlive, moved(4)).filter((row) => !row.equal);
  expect(differing.map((row) => row.measure)).toEqual(['responses 200', 'responses 200, timed']);
});

test('one byte less in the series is a difference', () => {
  const run = moved(3);
  run.series.get('fly_edge_data_out')![0]!.value--;
  expect(reconcile(keepAlive, run).filter((row) => !row.equal)).toMatchObject([{ measure: 'bytes out', series: 199 }]);
});

test('after a reset the series may have seen less than was sent, and sent more than was received', () => {
  const run = moved(3);
  run.relay.resets = 1;
  run.series.get('fly_edge_data_in')![0]!.value = 99;
  run.series.get('fly_edge_data_out')![0]!.value = 201;
  expect(reconcile(keepAlive, run).filter((row) => !row.equal)).toEqual([]);
  run.series.get('fly_edge_data_in')![0]!.value = 101;
  expect(reconcile(keepAlive, run).filter((row) => !row.equal)).toMatchObject([{ measure: 'bytes in' }]);
});

test('a series that nobody asked for is a difference', () => {
  const run = moved(3);
  run.series.set('fly_edge_error_count', [{ labels: { app: 'a', code: 'internal' }, value: 1 }]);
  expect(reconcile(keepAlive, run).filter((row) => !row.equal)).toMatchObject([
    { measure: 'errors internal', asked: 0 },
  ]);
});

test('counts of an instance are differences, with statuses that are new', () => {
  const earlier = { responses: { 200: 1 }, opened: 1, closed: 0, bodies: 5 };
  const later = { responses: { 200: 3, 500: 1 }, opened: 2, closed: 2, bodies: 9 };
  expect(since(earlier, later)).toEqual({ responses: { 200: 2, 500: 1 }, opened: 1, closed: 2, bodies: 4 });
});
