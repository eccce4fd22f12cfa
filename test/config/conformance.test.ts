import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const rows = readFileSync('docs/conformance.md', 'utf8')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.slice(2, -2).split(' | '));

/** `path of the test's file › its name`. */
const reference = /`([\w/-]+\.test\.ts) › ([^`]+)`/g;

test('docs/conformance.md has a section, a rule, what is done and its tests in each row', () => {
  expect(rows.length).toBeGreaterThan(60);
  for (const row of rows) {
    expect(row).toHaveLength(4);
    const [section, rule, does, tests] = row as [string, string, string, string];
    expect([section, rule !== '', does !== '']).toEqual([section, true, true]);
    expect(tests.replace(reference, '').trim(), section).toMatch(/^–?$/);
    expect(tests, section).not.toBe('');
  }
});

const named = rows.flatMap(([section, , , tests]) =>
  [...tests!.matchAll(reference)].map(([, file, name]) => [section!, file!, name!] as const),
);

test.each(named)('docs/conformance.md, section %s: %s has “%s”', (_section, file, name) => {
  const text = readFileSync(`test/${file}`, 'utf8');
  expect([`'${name}'`, `"${name}"`, `\`${name}\``].some((title) => text.includes(title))).toBe(true);
});
