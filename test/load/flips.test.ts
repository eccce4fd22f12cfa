import { expect, test } from 'vitest';
import { runFlips } from '../../load/flips.ts';

test('ten flips under five kinds of load: no request fails, no connection is reset, every count is exact', {
  timeout: 120_000,
}, async () => {
  const { rows } = await runFlips({ flips: 10, calm: 200 });
  expect(rows.filter((row) => !row.equal)).toEqual([]);
  expect(rows.find(({ measure }) => measure === 'resets')).toMatchObject({ clients: 0 });
  for (const [measure, least] of [
    ['responses 200', 1_000],
    ['responses 101', 10],
    ['TLS handshakes', 10],
  ] as const) {
    expect(rows.find((row) => row.measure === measure)?.clients).toBeGreaterThan(least);
  }
});
