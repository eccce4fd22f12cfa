import { expect, test } from 'vitest';
import { type Round, ratio, summarize } from '../../load/summary.ts';

const round = (cpu: number, fault: string | null = null): Round => ({
  ...{ requests: 1, rate: 1, p50: 1, p99: 1, memory: 1 },
  cpu,
  fault,
});

test('a summary has the medians, and the fault of any round', () => {
  const summary = summarize('close', 'nginx', [round(3), round(9, 'Socket errors'), round(4), round(1)]);
  expect(summary).toMatchObject({ cpu: 3.5, fault: 'Socket errors' });
});

test('a ratio is taken within each round: a slow spell of the machine slows both', () => {
  const mark = summarize('close', 'nginx', [round(10), round(50), round(10)]);
  const own = summarize('close', 'fly-edge', [round(12), round(60), round(13)]);
  expect(ratio(own, mark)).toBe(1.2);
});

test('there is no ratio to a proxy that failed or is missing', () => {
  const own = summarize('close', 'fly-edge', [round(12)]);
  expect(ratio(own, summarize('close', 'nginx', [round(10, 'Non-2xx')]))).toBeNull();
  expect(ratio(own, undefined)).toBeNull();
});
