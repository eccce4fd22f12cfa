import { expect, test } from 'vitest';
import { describe } from '../../src/tokens/describe.ts';
import { attenuate, type Caveat, mint } from '../../src/tokens/macaroon.ts';
import type { Value } from '../../src/tokens/msgpack.ts';

const shown = (type: number | bigint, body: Value): unknown => {
  const token = attenuate(mint(Buffer.from('kid'), Buffer.alloc(32), 'here'), { type, body } satisfies Caveat);
  return (describe(token) as { caveats: unknown[] }).caveats[0];
};

test.each<[number | bigint, Value, string, unknown]>([
  [0, [7, 31], 'Organization', { id: 7, mask: 'rwcdC' }],
  [0, [2n ** 64n - 1n, 0], 'Organization', { id: '18446744073709551615', mask: '' }],
  [0, [7], 'Organization', [7]],
  [0, null, 'Organization', null],
  [3, [new Map([[7, 3]])], 'Apps', { apps: { 7: 'rw' } }],
  [3, [[7]], 'Apps', [[7]]],
  [4, [1, 2], 'ValidityWindow', { not_before: 1, not_after: 2 }],
  [11, ['there', Buffer.from('sealed'), Buffer.from('ticket')], '3P', { location: 'there', ticket: 'dGlja2V0' }],
  [
    13,
    [[26, 1, 99, true], 4],
    'IfPresent',
    {
      ifs: [
        { type: 'Action', body: 'r' },
        { type: '99', body: true },
      ],
      else: 'c',
    },
  ],
  [13, [[26], 4], 'IfPresent', [[26], 4]],
  [26, 17, 'Action', 'rC'],
  [26, 32, 'Action', 32],
  [26, 'r', 'Action', 'r'],
  [
    2n ** 64n - 1n,
    [Buffer.from([1, 2]), new Map([['a', 2n ** 60n]])],
    '18446744073709551615',
    ['AQI=', { a: '1152921504606846976' }],
  ],
])('%#: type %s', (type, body, name, expected) => {
  expect(shown(type, body)).toEqual({ type: name, body: expected });
});
