import { expect, test } from 'vitest';
import { format, type Unit } from '../../../src/page/model/format.ts';

test.each<[number | null, Unit, string]>([
  [null, 'count', '–'],
  [0, 'count', '0'],
  [7, 'count', '7'],
  [1234, 'count', '1.23 k'],
  [999.6, 'count', '1 k'],
  [12.345, 'per second', '12.3 /s'],
  [0.0421, 'per second', '0.0421 /s'],
  [12_345, 'per second', '12.3 k/s'],
  [1_250_000, 'bytes per second', '1.25 MB/s'],
  [512, 'bytes', '512 B'],
  [10_737_418_240, 'bytes', '10.7 GB'],
  [0, 'seconds', '0 s'],
  [0.00042, 'seconds', '420 µs'],
  [0.012, 'seconds', '12 ms'],
  [0.9996, 'seconds', '1 s'],
  [75, 'seconds', '75 s'],
  [300, 'seconds', '5 min'],
  [0.0123, 'ratio', '1.23 %'],
  [1, 'ratio', '100 %'],
  [83.25, 'percent', '83.3 %'],
])('%f %s is %s', (value, unit, text) => {
  expect(format(value, unit)).toBe(text);
});
