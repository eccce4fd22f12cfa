import { expect, test, vi } from 'vitest';
import { type Block, KeptBlocks } from '../../src/gateway/kept-blocks.ts';

const block = (text: string): Block => ({ body: Buffer.from(text), headers: {} });

async function replayed(kept: KeptBlocks, taken: (text: string) => boolean = () => true): Promise<string[]> {
  const told: string[] = [];
  await kept.replay(async ({ body }) => {
    told.push(String(body));
    return taken(String(body));
  });
  return told;
}

test('what the engine had when it ended is told again, oldest first, once', async () => {
  const kept = new KeptBlocks(100);
  for (const text of ['a', 'b']) kept.taken(block(text));
  kept.lost();
  kept.taken(block('of the next one'));
  expect(await replayed(kept)).toEqual(['a', 'b']);
  expect(await replayed(kept)).toEqual([]);
});

test('what was not told, for the next engine ended too, is told to the one after it, with what was', async () => {
  const kept = new KeptBlocks(100);
  for (const text of ['a', 'b', 'c']) kept.taken(block(text));
  kept.lost();
  expect(await replayed(kept, (text) => text !== 'b')).toEqual(['a', 'b']);
  kept.lost();
  expect(await replayed(kept)).toEqual(['a', 'b', 'c']);
});

test('it is bounded in bytes: the oldest go', async () => {
  const kept = new KeptBlocks(5);
  for (const text of ['aa', 'bb', 'cc']) kept.taken(block(text));
  expect(kept.bytes).toBe(4);
  kept.lost();
  expect(await replayed(kept)).toEqual(['bb', 'cc']);
  kept.taken(block('longer than all'));
  expect(kept.bytes).toBe(0);
});

test('what the engine has surely written goes, and nothing that it may have lost, however long it is away', async () => {
  vi.useFakeTimers();
  try {
    const kept = new KeptBlocks(100);
    kept.taken(block('written'));
    vi.advanceTimersByTime(31_000);
    kept.taken(block('lost'));
    kept.lost();
    vi.advanceTimersByTime(3_600_000);
    kept.taken(block('new'));
    expect(await replayed(kept)).toEqual(['lost']);
  } finally {
    vi.useRealTimers();
  }
});
