import { expect, test } from 'vitest';
import { Turns } from '../../src/base/turns.ts';

test('one at a time, in order; those that wait for the same are one; a failure holds nobody up', async () => {
  const turns = new Turns();
  const begun: string[] = [];
  const gates: (() => void)[] = [];
  const job = (name: string) => async () => {
    begun.push(name);
    await new Promise<void>((resolve) => gates.push(resolve));
    return name;
  };
  const first = turns.take('a', job('a 1'));
  await Promise.resolve();
  await Promise.resolve();
  expect(begun).toEqual(['a 1']);
  const second = turns.take('a', job('a 2'));
  const same = turns.take('a', job('never'));
  const failing = turns.take('b', async () => {
    throw new Error('broken');
  });
  const last = turns.take('c', job('c'));
  gates[0]!();
  expect(await first).toBe('a 1');
  while (gates.length < 2) await Promise.resolve();
  expect(begun).toEqual(['a 1', 'a 2']);
  gates[1]!();
  expect(await second).toBe('a 2');
  expect(await same).toBe('a 2');
  await expect(failing).rejects.toThrow('broken');
  while (gates.length < 3) await Promise.resolve();
  gates[2]!();
  expect(await last).toBe('c');
});
