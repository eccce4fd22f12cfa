/** What the documents point to is there. */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const documents = globSync(['*.md', 'docs/*.md', '.github/**/*.md']);
const read = (file: string): string => readFileSync(file, 'utf8');
const withoutCode = (text: string): string => text.replace(/^```.*?^```/gms, '');

/** As GitHub makes them of headings. */
const anchorsOf = (file: string): string[] =>
  [...withoutCode(read(file)).matchAll(/^#+ +(.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test.each(documents)('%s: each link leads somewhere', (file) => {
  const links = [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!);
  const broken = links
    .filter((to) => !/^[a-z]+:/.test(to))
    .filter((to) => {
      const [path, anchor] = to.split('#') as [string, string?];
      const target = path === '' ? file : join(dirname(file), path);
      return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
    });
  expect(broken).toEqual([]);
});

test.each(documents)('%s: each file and folder of the checkout that it names is there', (file) => {
  const names = [...read(file).matchAll(/`((?:src|test|config|load|bin|docs)\/[\w./-]+)`/g)].map(([, name]) => name!);
  expect(names.filter((name) => !existsSync(name))).toEqual([]);
});

test.each(documents)('%s: each npm script that it names is there', (file) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...read(file).matchAll(/npm run ([\w-]+)/g)].map(([, name]) => name!);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});
