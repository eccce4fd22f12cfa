import { expect, test } from 'vitest';
import { expandedSize } from '../../src/gateway/expansion.ts';

/** `a0 = b + b`, then each as two of the one before. */
const doubled = (times: number, one = (before: string) => `${before} + ${before}`, first = 'up'): string =>
  `WITH (${[`a0 = ${first}`, ...Array.from({ length: times }, (_, i) => `a${i + 1} = ${one(`a${i}`)}`)].join(', ')}) a${times}`;

test.each([
  ['up', 2],
  ['sum(rate(with_total{ru="x"}[5m])) by (instance)', 0],
  ['WITH (x = up) x + x', 5],
  ['WITH (f(a, b) = a + a + b) f(up, x)', 7],
  ['WITH (f(a) = a + a) f(f(up))', 11],
  ['WITH (x = up, y = x - x) WITH (x = 1) y', 5],
  ['WITH (x = WITH (y = up) y * y) x', 5],
  ['sum(WITH (x = up) x, WITH (x = 12345) x)', 13],
  ['WITH (x = x + 1) x', 3],
  ['WITH (commonFilters = {job="a"}) up{commonFilters}', 13],
])('%s is %s characters', (query, size) => {
  expect(expandedSize(query)).toBe(size === 0 ? query.replaceAll(/[^\w(){}[\],.="]/g, '').length : size);
});

const args = (times: number) => (one: (inner: string) => string) => {
  let query = 'up';
  for (let i = 0; i < times; i++) query = one(query);
  return query;
};

test.each<[name: string, query: (times: number) => string]>([
  ['names', (n) => doubled(n)],
  ['any case and blanks', (n) => doubled(n).replace('WITH (', 'wItH\t#comment (\n(\n')],
  ['a dotted capital I, which Go reads as i', (n) => doubled(n).replace('WITH', 'WİTH')],
  ['filters', (n) => doubled(n, (a) => `{${a}, ${a}}`, '{a="b"}').replace(/a(\d+)$/, 'up{a$1}')],
  ['strings', (n) => `label_set(up, "x", ${doubled(n, undefined, '"y"')})`],
  ['arguments', (n) => `WITH (f(x) = x + x) ${args(n)((inner) => `f(${inner})`)}`],
  ['arguments of several', (n) => `WITH (f(x, y) = x + y + x) ${args(n)((inner) => `f(${inner}, 1)`)}`],
  ['definitions that call', (n) => doubled(n, (a) => `f(${a})`).replace('WITH (', 'WITH (f(x) = (x + x), ')],
  ['the name of an aggregation', (n) => `WITH (sum(x) = x + x) ${args(n)((inner) => `SUM(${inner})`)}`],
  [
    'an aggregation with its labels first',
    (n) => `WITH (sum(x) = x + x) ${args(n)((inner) => `sum by (a) (${inner})`)}`,
  ],
  ['ru, which the engine has', (n) => args(n)((inner) => `ru(1, ${inner})`)],
  ['ttf, which the engine has', (n) => args(n)((inner) => `ttf(${inner})`)],
  ['WITH in WITH', (n) => args(n)((inner) => `WITH (x = ${inner}) x + x`)],
  ['WITH in brackets', (n) => args(n)((inner) => `(WITH (x = (${inner})) x + x)`)],
  ['escaped names', (n) => doubled(n, (a) => `${a.replace('a', '\\x61')} + ${a.replace('a', '\\a')}`)],
  [
    'escaped names of other planes',
    (n) => doubled(n, (a) => `${a.replace('a', '\\u0061')} + ${a.replace('a', '\\U0061')}`),
  ],
  ['the label __name__', (n) => doubled(n, (a) => `{__name__="${a}"} + {__name__="${a}"}`)],
  ['quoted names', (n) => doubled(n, (a) => `{"${a}"} + {'${a}'}`)],
  [
    'quoted names with an escape',
    (n) => doubled(n, (a) => `{"${a.replace('a', '\\x61')}"} + {"${a.replace('a', '\\141')}"}`),
  ],
  ['letters of other scripts', (n) => doubled(n).replaceAll(/a(\d)/g, 'ä$1')],
  ['subqueries', (n) => doubled(n, (a) => `max_over_time(${a}[1h:1m]) + ${a} offset 5m`)],
])('what doubles by %s is seen', (_name, query) => {
  expect(expandedSize(query(30))).toBeGreaterThan(2 ** 30);
  // And what does it a few times is not much.
  expect(expandedSize(query(4))).toBeLessThan(10_000);
});

test('what people write is small', () => {
  const query = `WITH (
    commonFilters = {job="node", instance=~"$node\\\\.example"},
    cpu(mode) = sum(rate(node_cpu_seconds_total{commonFilters, mode=~mode}[5m])) by (instance), # of all cores
    total = cpu(".*"),
    idle = cpu("idle")
  )
  100 * (1 - idle / total) > 80 or ru(node_memory_MemFree_bytes{commonFilters}, node_memory_MemTotal_bytes{commonFilters})`;
  expect(expandedSize(query)).toBeLessThan(2_000);
});

test('to tell it takes no long time, whatever it is', () => {
  const parameters = Array.from({ length: 3_000 }, (_, i) => `p${i}`).join(',');
  const hard = [
    `WITH (f(${parameters}) = WITH (g = ${parameters.replaceAll(',', '+')}) ${'g+'.repeat(10_000)}1) f(${parameters})`,
    '('.repeat(60_000),
    'f('.repeat(30_000),
    `WITH (f(x) = x) ${'f('.repeat(30_000)}`,
    'WITH (a='.repeat(8_000),
    `{${'"\\'.repeat(20_000)}`,
    `${'\\"'.repeat(30_000)}`,
    '"'.repeat(60_000),
    '#'.repeat(60_000),
    `WITH (${Array.from({ length: 6_000 }, (_, i) => `a${i}=1`).join(',')}) {${'"\\a",'.repeat(5_000)}}`,
  ];
  // What grows with the square takes minutes, longer than a test may.
  for (const query of hard) expect(expandedSize(query)).toBeGreaterThan(1_000);
});
