import { expect, test } from 'vitest';
import { LiveStore } from '../../src/page/model/live-store.ts';
import { columns } from '../../src/top/columns.ts';
import { frame, type Line } from '../../src/top/frame.ts';

/** Two pages, ten seconds apart. */
function storeOf(...pages: [string, string]): LiveStore {
  const store = new LiveStore(10);
  for (const [i, page] of pages.entries()) {
    store.begin();
    store.push(page);
    store.commit(1_000_000 + i * 10);
  }
  return store;
}

const standard = 'region="iad",host="2bc3"';

function page(requests: number, failed: number, opened: number): string {
  const edge = `app="shop",${standard},proxy_id="blue"`;
  const times = (le: string, count: number) =>
    `fly_edge_http_response_time_seconds_bucket{${edge},status="200",le="${le}"} ${count}\n`;
  return `fly_edge_http_responses_count{${edge},status="200"} ${requests}
fly_edge_http_responses_count{${edge},status="503"} ${failed}
${times('0.1', 0)}${times('0.2', requests)}${times('+Inf', requests)}fly_edge_tcp_connects_count{${edge}} ${opened}
fly_edge_tcp_disconnects_count{${edge}} 2
fly_edge_data_in{${edge}} ${requests * 100}
fly_edge_data_out{${edge}} ${requests * 1000}
fly_edge_error_count{${edge},code="no_healthy_instance"} ${failed}
fly_slot_state{${standard},proxy_id="blue",state="draining"} 1
fly_slot_state{${standard},proxy_id="blue",state="accepting"} 0
fly_slot_state{${standard},proxy_id="green",state="accepting"} 1
fly_slot_generation{${standard},proxy_id="blue"} 7
fly_slot_generation{${standard},proxy_id="green"} 8
`;
}

function instance(id: string, inFlight: number, soft: number, hard: number | null): string {
  const labels = (colour: string) => `app="shop",${standard},instance="${id}",proxy_id="${colour}"`;
  return `fly_app_concurrency{${labels('blue')}} 1
fly_app_concurrency{${labels('green')}} ${inFlight - 1}
fly_app_soft_limit{${labels('blue')}} 1
fly_app_soft_limit{${labels('green')}} ${soft}
${hard === null ? '' : `fly_app_hard_limit{${labels('green')}} ${hard}\n`}`;
}

const words = ({ text }: Line): string => text.replace(/ {2,}/g, '  ').trim();

test('slots, headline and each app', () => {
  const [slots, headline, , head, shop] = frame(storeOf(page(100, 0, 3), page(190, 10, 12)), 30);
  expect(slots).toEqual({ text: 'blue 7 draining · green 8 accepting', style: 'title' });
  expect(headline!.text).toBe('Requests 10 /s   Answered 5xx 10 %   99 % answered within 199 ms   Open connections 10');
  expect(words(head!)).toBe('APP  REQUESTS  2XX  3XX  4XX  5XX  P50  P99  OPEN  IN  OUT  ERRORS');
  expect(words(shop!)).toBe('shop  10 /s  9 /s  –  –  1 /s  150 ms  199 ms  10  900 B/s  9 kB/s  1 /s');
  expect(shop!.style).toBe('bad');
});

test('an app that fails no request is not marked', () => {
  const [, , , , shop] = frame(storeOf(page(100, 5, 3), page(190, 5, 12)), 30);
  expect(shop!.style).toBeUndefined();
});

test('instances against their limits, the busiest first', () => {
  const instances = instance('aa01', 5, 10, 20) + instance('aa02', 20, 10, 20) + instance('aa03', 10, 10, null);
  const lines = frame(storeOf(page(0, 0, 0), page(0, 0, 0) + instances), 30).slice(-4);
  expect(lines.map(words)).toEqual([
    'APP  INSTANCE  IN FLIGHT  SOFT  HARD  RESPONSES',
    `shop  aa02  20  10  20  ${'█'.repeat(20)}  –`,
    `shop  aa03  10  10  –  ${'█'.repeat(20)}  –`,
    `shop  aa01  5  10  20  ${'█'.repeat(5)}${'░'.repeat(15)}  –`,
  ]);
  expect(lines.map(({ style }) => style)).toEqual(['title', 'bad', 'warn', undefined]);
});

test('instances that get no requests come first, and say why', () => {
  const health = (id: string, check: string, value: number) =>
    `fly_app_instance_healthy{app="shop",${standard},instance="${id}",proxy_id="green",check="${check}"} ${value}\n`;
  const instances = instance('aa01', 5, 10, null) + instance('aa02', 1, 10, null) + instance('aa03', 2, 10, null);
  const healths =
    health('aa01', 'service', 1) +
    health('aa01', 'passive', 1) +
    health('aa02', 'passive', 0) +
    health('aa03', 'service', 0);
  const lines = frame(storeOf(page(0, 0, 0), page(0, 0, 0) + instances + healths), 30).slice(-4);
  expect(lines.map((line) => words(line).replace(/[█░]+/, '-'))).toEqual([
    'APP  INSTANCE  IN FLIGHT  SOFT  HARD  RESPONSES  HEALTH',
    'shop  aa03  2  10  –  -  –  fails its checks',
    'shop  aa02  1  10  –  -  –  ejected',
    'shop  aa01  5  10  –  -  –',
  ]);
  expect(lines.map(({ style }) => style)).toEqual(['title', 'bad', 'bad', undefined]);
});

test('no more lines than the terminal has: what is left out is counted', () => {
  const many = Array.from({ length: 1000 }, (_, i) => instance(`i${i}`, i + 1, 5000, null)).join('');
  for (const rows of [9, 10, 24, 200]) {
    const lines = frame(storeOf(page(0, 0, 0), page(0, 0, 0) + many), rows);
    expect(lines.length).toBeLessThanOrEqual(rows);
    const shown = lines.filter(({ text }) => text.startsWith('shop  i')).length;
    expect(shown).toBeGreaterThan(0);
    expect(lines.at(-1)).toEqual({ text: `and ${1000 - shown} more that have less to do`, style: 'quiet' });
    expect(lines.at(-1 - shown)!.text).toContain('i999 ');
  }
});

test('before the first page there is nothing to tell, and that is told', () => {
  expect(frame(new LiveStore(2), 24)[0]!.text).toBe('no slot');
});

test('columns line up, and nothing in them moves the terminal', () => {
  expect(
    columns(
      [
        ['a', '1'],
        ['b\x1b[2J\n', '100'],
      ],
      ['left', 'right'],
    ),
  ).toEqual(['a         1', 'b?[2J?  100']);
});
