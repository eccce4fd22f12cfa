import { expect, test } from 'vitest';
import { InFlight } from '../../src/supervisor/in-flight.ts';

test('each worker is told of the others, once', () => {
  const inFlight = new InFlight();
  for (const worker of [1, 2, 3]) inFlight.join(worker);
  inFlight.report(1, [['a', 2]]);
  inFlight.report(2, [['a', 3]]);
  expect(inFlight.changes()).toEqual([
    [1, [['a', 3]]],
    [2, [['a', 2]]],
    [3, [['a', 5]]],
  ]);
  expect(inFlight.changes()).toEqual([]);
  expect(inFlight.total('a')).toBe(5);
});

test('a lone worker is told nothing', () => {
  const inFlight = new InFlight();
  inFlight.join(1);
  inFlight.report(1, [['a', 2]]);
  expect(inFlight.changes()).toEqual([]);
});

test('what comes and goes between two rounds is not told', () => {
  const inFlight = new InFlight();
  inFlight.join(1);
  inFlight.join(2);
  inFlight.report(1, [['a', 2]]);
  inFlight.report(1, [['a', 0]]);
  expect(inFlight.changes()).toEqual([]);
});

test('a dead worker has nothing in flight, and its replacement learns of the others', () => {
  const inFlight = new InFlight();
  inFlight.join(1);
  inFlight.join(2);
  inFlight.report(1, [['a', 2]]);
  inFlight.report(2, [['b', 1]]);
  inFlight.changes();
  inFlight.leave(1);
  inFlight.join(3);
  expect(inFlight.changes()).toEqual([
    [2, [['a', 0]]],
    [3, [['b', 1]]],
  ]);
  expect(inFlight.total('a')).toBe(0);
});
