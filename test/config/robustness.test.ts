import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPlan } from '../../src/config/load.ts';
import { mutate } from '../helpers/mutate.ts';
import { seeded } from '../helpers/random.ts';
import { inFolder } from './folder.ts';

const words = ['-1', '0', '""', '[]', '{}', 'true', '"x"', '[[1]]', '[{}]', '1e400', 'nan', '2020-01-01', '"é\\u0000"'];

/** A value somewhere is another one. */
function swapValue(text: string, random: () => number): string {
  const lines = text.split('\n');
  const at = Math.floor(random() * lines.length);
  const word = words[Math.floor(random() * words.length)];
  lines[at] = lines[at].replace(/=.*/, `= ${word}`);
  return lines.join('\n');
}

test('whatever the files hold, there are faults or a plan, and every fault has its place', async () => {
  const random = seeded(20_260_101);
  const [edge, fly] = await Promise.all(
    ['config/edge.toml', 'config/apps/demo/fly.toml'].map((file) => readFile(file, 'utf8')),
  );
  const plain = { 'edge.toml': edge, 'apps/demo/fly.toml': fly };
  await inFolder(plain, async (folder) => {
    const file = join(folder, 'edge.toml');
    for (let i = 0; i < 300; i++) {
      const [name, text] = i % 2 === 0 ? (['edge.toml', edge] as const) : (['apps/demo/fly.toml', fly] as const);
      const bad = i % 3 === 0 ? mutate(Buffer.from(text), random) : swapValue(swapValue(text, random), random);
      await writeFile(join(folder, name), bad);
      const { plan, faults, warnings } = await loadPlan(file);
      expect(plan === null).toBe(faults.length > 0);
      for (const { line, column, message } of [...faults, ...warnings]) {
        expect(line >= 1 && column >= 1 && message !== '', `${bad}`).toBe(true);
      }
      await writeFile(join(folder, name), text);
    }
  });
}, 30_000);
