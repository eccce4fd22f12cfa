import { expect, test } from 'vitest';
import { furtherFlagsFault, splitFlags } from '../../src/gateway/further-flags.ts';

const flags = ['-promscrape.maxScrapeSize=1MB', '--remoteWrite.queues=2', '-search.maxSeries=9', '-tls'];

test('flags for scraping are the scraper`s, and the engine`s where it scrapes itself', () => {
  expect(splitFlags(flags, true)).toEqual({ engine: flags.slice(2), scraper: flags.slice(0, 2) });
  expect(splitFlags(flags, false)).toEqual({ engine: flags, scraper: [] });
});

test.each([
  ['-httpAuth.password=x', /^-httpAuth\.password: set httpAuth_password in the environment/],
  ['--httpAuth.username=x', /^-httpAuth\.username: /],
  ['-envflag.prefix=A', /^-envflag\.prefix: /],
  ['-httpListenAddr=:1', /^-httpListenAddr: write storage/],
  ['-remoteWrite.url=http://127.0.0.1:1', /^-remoteWrite\.url: vmagent writes to the engine/],
  ['-remoteWrite.basicAuth.password=x', /^-remoteWrite\.basicAuth\.password: /],
  ['-remoteWrite.tmpDataPath=/', /^-remoteWrite\.tmpDataPath: /],
])('%s is refused', (flag, why) => {
  expect(furtherFlagsFault(['-a', flag], true)).toMatch(why);
});

test('all others are taken, those of vmagent only where it runs', () => {
  expect(furtherFlagsFault(flags, true)).toBeNull();
  expect(furtherFlagsFault(flags, false)).toMatch(/^-remoteWrite\.queues: it is vmagent's, which does not run/);
  expect(furtherFlagsFault(['-promscrape.maxScrapeSize=1MB'], false)).toBeNull();
});
