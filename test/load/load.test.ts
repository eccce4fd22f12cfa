import { expect, test } from 'vitest';
import { runLoad } from '../../load/load.ts';
import { scenarios } from '../../load/scenarios/all.ts';

test('clients, instances and series agree on every request and byte, in each scenario', {
  timeout: 120_000,
}, async () => {
  const { rows } = await runLoad({ scale: 0.02 });
  expect(rows.filter((row) => !row.equal)).toEqual([]);
  // On a slow machine the pool lets idle connections go meanwhile: they show afterwards, equally on both sides.
  const moved = new Set(rows.map((row) => row.scenario).filter((name) => name !== 'afterwards'));
  expect(moved).toEqual(new Set(scenarios.map((scenario) => scenario.name)));
});
