import { expect, test } from 'vitest';
import { statusClass } from '../../../src/page/model/status.ts';

test('a status is of a class by its number, or by the name that unregistered ones share', () => {
  expect(['101', '204', '404', '599', '2xx', '5xx'].map(statusClass)).toEqual([
    '1xx',
    '2xx',
    '4xx',
    '5xx',
    '2xx',
    '5xx',
  ]);
  expect(['', 'other', '99', '600', '6xx', '2x', '20x', '0xx'].map(statusClass)).toEqual(Array(8).fill(null));
});
