import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const [pack, lock, launcher] = await Promise.all(
  ['package.json', 'package-lock.json', 'bin/fly-edge.js'].map((file) => readFile(file, 'utf8')),
);

test('the pinned runtimes are of one version, wherever they are named', () => {
  const pinned: Record<string, string> = JSON.parse(pack).optionalDependencies;
  const names = Object.keys(pinned);
  expect(new Set(Object.values(pinned)).size).toBe(1);
  const { packages } = JSON.parse(lock);
  expect(packages[''].optionalDependencies).toEqual(pinned);
  for (const name of names) expect([name, packages[`node_modules/${name}`].version]).toEqual([name, pinned[name]]);
  const started = [...launcher.matchAll(/'[a-z]+-(?:x64|arm64)': '([a-z0-9-]+)'/g)].map(([, name]) => name);
  expect(started.sort()).toEqual(names.sort());
});
