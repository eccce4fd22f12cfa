/** Which folder of src/ may import which: the picture in docs/architecture.md, read from the files themselves. */

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = 'src';

/** By folder: what it may import besides itself. A folder never imports one that imports it. */
const allowed: Record<string, string[]> = {
  base: [],
  log: [],
  config: ['base'],
  tokens: ['base'],
  resolver: ['base', 'config'],
  health: ['base', 'config'],
  metrics: ['base', 'config'],
  volumes: ['base', 'config', 'log', 'metrics'],
  ipc: ['base', 'config'],
  page: ['base', 'metrics'],
  top: ['page'],
  dashboards: ['metrics'],
  proxy: ['base', 'config', 'health', 'ipc', 'log', 'metrics', 'resolver'],
  supervisor: ['base', 'config', 'ipc', 'log', 'metrics', 'page', 'volumes'],
  agent: ['base', 'config', 'metrics'],
  gateway: ['base', 'config', 'log', 'metrics', 'page', 'tokens'],
  cli: ['agent', 'base', 'config', 'gateway', 'log', 'metrics', 'page', 'supervisor', 'tokens', 'top'],
};

interface Import {
  from: string;
  to: string;
  /** Types alone: gone when the program runs. */
  types: boolean;
}

const files = globSync(`${root}/**/*.ts`).filter((file) => !file.endsWith('.d.ts'));
const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(from, 'utf8').matchAll(/^(?:import|export)\s+(type\s)?([^;]*?)\sfrom '(\.[^']+)'/gm)].map(
    ([, type, names, path]) => ({
      from,
      to: join(dirname(from), path!),
      types: type !== undefined || /^\{(\s*type\s[^,}]+,?)+\s*\}$/.test(names!),
    }),
  ),
);
const folderOf = (file: string): string => relative(root, file).split(sep)[0]!;

/** All that a file loads, itself included. */
function loadedBy(file: string): Set<string> {
  const all = new Set([file]);
  for (const each of all) for (const { from, to, types } of imports) if (from === each && !types) all.add(to);
  return all;
}

test('each import is read, and leads to a file', () => {
  expect(imports.length).toBeGreaterThan(900);
  const lost = imports.filter(({ to }) => to.endsWith('.ts') && !files.includes(to));
  expect(lost.map(({ from, to }) => `${from}: ${to}`)).toEqual([]);
});

test('each folder is in the list, and the list has no circle', () => {
  expect([...new Set(files.map(folderOf))].toSorted()).toEqual(Object.keys(allowed).toSorted());
  // Each names only folders that stand before it, but for the list's own order.
  const placed = new Set<string>();
  for (let left = Object.keys(allowed); left.length > 0; ) {
    const next = left.filter((folder) => allowed[folder]!.every((each) => placed.has(each)));
    expect(next, `a circle among ${left.join(', ')}`).not.toEqual([]);
    for (const folder of next) placed.add(folder);
    left = left.filter((folder) => !placed.has(folder));
  }
});

test('no folder imports another than it may', () => {
  const forbidden = imports.filter(({ from, to }) => {
    const [mine, theirs] = [folderOf(from), folderOf(to)];
    return mine !== theirs && !allowed[mine]!.includes(theirs);
  });
  expect(forbidden.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test('no file loads itself through others', () => {
  const circles = files.filter((file) =>
    imports.some(({ from, to, types }) => from === file && !types && loadedBy(to).has(file)),
  );
  expect(circles).toEqual([]);
});

describe('the data path', () => {
  /** What the files of a folder import outside of it, types among it. */
  const importedBy = (folder: string): string[] => [
    ...new Set(
      imports
        .map(({ from, to }) => [relative(root, from), relative(root, to)] as const)
        .filter(([from, to]) => from.startsWith(`${folder}/`) && !to.startsWith(`${folder}/`))
        .map(([, to]) => dirname(to)),
    ),
  ];

  test('messages know no protocol and no socket; sockets know nothing of HTTP', () => {
    expect(importedBy('proxy/http/message')).toEqual(['base']);
    expect(importedBy('proxy/transport').toSorted()).toEqual(['base', 'proxy']);
  });

  test('loads no supervisor, no parsing of files, no logs and no Prometheus library', () => {
    const loaded = loadedBy(join(root, 'proxy', 'data-plane.ts'));
    expect(loaded.size).toBeGreaterThan(50);
    expect(
      [...loaded].filter((file) => ['supervisor', 'log', 'gateway', 'page', 'cli'].includes(folderOf(file))),
    ).toEqual([]);
    const config = [...loaded].filter((file) => folderOf(file) === 'config').map((file) => relative(root, file));
    expect(config).toEqual([join('config', 'address.ts')]);
    const libraries = [...loaded].filter((file) => /from '(?!\.|node:)/.test(readFileSync(file, 'utf8')));
    expect(libraries).toEqual([]);
  });

  test('the recorder knows the catalogue, and neither knows who sums up', () => {
    const loaded = [...loadedBy(join(root, 'metrics', 'recorder.ts'))].map((file) => relative(root, file));
    expect(loaded.toSorted()).toEqual(['catalogue', 'recorder'].map((name) => join('metrics', `${name}.ts`)));
  });
});
