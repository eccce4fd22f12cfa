import { expect, test } from 'vitest';
import { Audience } from '../../src/agent/audience.ts';

/** Scrapes by client, `.` before the end and `!` after it; `s` is a second that passes. */
function after(...steps: [client: string, scrapes: string][]): boolean {
  const audience = new Audience();
  let now = 0;
  for (const [client, scrapes] of steps) {
    for (const scrape of scrapes) {
      if (scrape === 's') now += 1000;
      else audience.scraped(client, scrape === '!', now);
    }
  }
  return audience.knows(now);
}

test.for<[name: string, knows: boolean, ...steps: [string, string][]]>([
  ['nobody has asked', false],
  ['the storage was told once', false, ['storage', '.s.s.s!']],
  ['the storage was told several times', true, ['storage', '.s.s.s!s!s!']],
  ['somebody asks again and again within a second', false, ['curl', '!!!!!!!!!!']],
  ['a curl in between tells the storage nothing', false, ['storage', '.s.'], ['curl', '!s!s!s!'], ['storage', 's!']],
  ['a curl in between is not waited for', true, ['storage', '.s.'], ['curl', '!'], ['storage', 's!s!s!']],
  ['one of two storages is not told yet', false, ['a', '.s.'], ['b', '.s.'], ['a', '!s!s!s!'], ['b', '!s!']],
  ['both are', true, ['a', '.s.'], ['b', '.s.'], ['a', '!s!s!'], ['b', '!s!s!']],
  ['who asked once before the end was no scraper', true, ['curl', '.'], ['storage', '.s.s!s!s!']],
  ['it ended before the first scrape: one of two was told enough', false, ['a', '!s!s!'], ['b', '!']],
  ['it ended before the first scrape: both were', true, ['a', '!s!s!'], ['b', '!s!s!']],
  ['a storage that was taken away', true, ['old', '.s.s.'], ['now', 's'.repeat(300)], ['now', '.s.s!s!s!']],
])('%s', ([, knows, ...steps]) => {
  expect(after(...steps)).toBe(knows);
});

test('strangers with any number of names are not remembered without end, nor waited for', () => {
  const audience = new Audience();
  for (const now of [0, 1]) audience.scraped('storage', false, now);
  for (let i = 0; i < 1000; i++) audience.scraped(`stranger ${i}`, true, 2);
  for (const now of [1000, 2000, 3000]) audience.scraped('storage', true, now);
  expect(audience.knows(3000)).toBe(true);
});
