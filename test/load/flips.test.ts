import { expect, test } from 'vitest';
import { runFlips } from '../../load/flips.ts';

test('ten flips under five kinds of load: no request fails, no connection is reset, every count is exact', {
  timeout: 120_000,
}, async () => {
  const { rows } = await runFlips({ flips: 10 });
  expect(rows.filter((row) => !row.equal)).toEqual([]);
  expect(rows.find(({ measure }) => measure === 'resets')).toMatchObject({ clients: 0 });
  expect(rows.find(({ measure }) => measure === 'requests')?.clients).toBeGreaterThan(1_000);
});
