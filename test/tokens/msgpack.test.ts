import { describe, expect, test } from 'vitest';
import { decode, encode, type Value } from '../../src/tokens/msgpack.ts';
import { seeded } from '../helpers/random.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Value and its canonical bytes, from the specification. */
const pairs: [Value, string][] = [
  [null, 'c0'],
  [false, 'c2'],
  [true, 'c3'],
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65535, 'cdffff'],
  [65536, 'ce00010000'],
  [2 ** 32 - 1, 'ceffffffff'],
  [2 ** 32, 'cf0000000100000000'],
  [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  [2n ** 53n, 'cf0020000000000000'],
  [2n ** 64n - 1n, 'cfffffffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32768, 'd18000'],
  [-32769, 'd2ffff7fff'],
  [-(2 ** 31), 'd280000000'],
  [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
  [-(2n ** 63n), 'd38000000000000000'],
  ['', 'a0'],
  ['é', 'a2c3a9'],
  ['a'.repeat(31), `bf${'61'.repeat(31)}`],
  ['a'.repeat(32), `d920${'61'.repeat(32)}`],
  ['a'.repeat(256), `da0100${'61'.repeat(256)}`],
  ['a'.repeat(65536), `db00010000${'61'.repeat(65536)}`],
  [Buffer.alloc(0), 'c400'],
  [Buffer.alloc(255, 1), `c4ff${'01'.repeat(255)}`],
  [Buffer.alloc(256, 1), `c50100${'01'.repeat(256)}`],
  [Buffer.alloc(65536, 1), `c600010000${'01'.repeat(65536)}`],
  [[], '90'],
  [Array(15).fill(1), `9f${'01'.repeat(15)}`],
  [Array(16).fill(1), `dc0010${'01'.repeat(16)}`],
  [Array(65536).fill(1), `dd00010000${'01'.repeat(65536)}`],
  [new Map(), '80'],
  [
    new Map<number | string, Value>([
      ['b', 2],
      [300, 1],
      [5, 0],
      ['aa', 3],
    ]),
    '84 05 00 cd012c 01 a2 6161 03 a1 62 02',
  ],
];

test.each(pairs)('%# canonical', (value, bytes) => {
  expect(encode(value)).toEqual(hex(bytes));
  expect(decode(hex(bytes))).toEqual(value);
});

describe('refused', () => {
  test.each([
    ['nothing', ''],
    ['trailing bytes', '00 00'],
    ['a shorter integer', 'cc7f'],
    ['a positive integer as signed', 'd001'],
    ['a shorter negative', 'd0ff'],
    ['a shorter string length', 'd90161'],
    ['a shorter byte length', 'c50001ff'],
    ['a shorter array length', 'dc0001c0'],
    ['a shorter map length', 'de000101c0'],
    ['keys out of order', '82 02 c0 01 c0'],
    ['strings out of order', '82 a162 c0 a161 c0'],
    ['a repeated key', '82 01 c0 01 c0'],
    ['a key that is null', '81 c0 c0'],
    ['a map that ends early', '81 01'],
    ['bytes that end early', 'c405 00'],
    ['an integer that ends early', 'cd00'],
    ['invalid UTF-8', 'a1ff'],
    ['an encoded surrogate', 'a3eda080'],
    ['float32', 'ca00000000'],
    ['float64', 'cb0000000000000000'],
    ['an extension', 'd40001'],
    ['a timestamp', 'd6ff00000000'],
    ['the unused tag', 'c1'],
  ])('%s', (_name, bytes) => {
    expect(decode(hex(bytes))).toBeUndefined();
  });

  test('17 levels, not 16', () => {
    expect(decode(hex(`${'91'.repeat(16)}c0`))).toBeDefined();
    expect(decode(hex(`${'91'.repeat(17)}c0`))).toBeUndefined();
  });
});

test('what is read is written as it was: random bytes', () => {
  const random = seeded(1);
  let read = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 6) }, () => Math.floor(random() * 256)));
    const value = decode(bytes);
    if (value === undefined) continue;
    read++;
    expect(encode(value)).toEqual(bytes);
  }
  expect(read).toBeGreaterThan(1000);
});
