import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadPlan } from '../../src/config/load.ts';

const compose = readFileSync('config/compose.yaml', 'utf8');

/** Lines of one entry under `services:`, and what it takes over from an anchor. */
function service(name: string): string {
  const [, own] = new RegExp(`^  ${name}:\\n((?:    .*\\n|\\n)+)`, 'm').exec(compose)!;
  const [, anchor] = /<<: \*(\S+)/.exec(own!) ?? [];
  if (anchor === undefined) return own!;
  const [, shared] = new RegExp(`&${anchor}\\n((?:  .*\\n)+)`).exec(compose)!;
  return shared + own;
}

const mounts = (name: string): string[] =>
  [...service(name).matchAll(/^ +- ([\w./-]+):\/[\w./-]+/gm)].map(([, source]) => source!);

test("the app's container gets nothing of the edge's: no control socket, no keys, no configuration", () => {
  expect(mounts('edge').length).toBeGreaterThan(0);
  expect(mounts('app')).toEqual([]);
  expect(service('app')).not.toMatch(/volumes|privileged|pid:|network_mode/);
});

test('the control socket is the edge alone, the keys are the gateway alone', () => {
  const shared = mounts('edge').filter((mount) => mounts('gateway').includes(mount));
  expect(shared).toEqual(['./compose']);
  for (const other of ['vmagent', 'victoria-metrics', 'grafana']) {
    const theirs = mounts(other);
    for (const own of [...mounts('edge'), ...mounts('gateway')]) expect(theirs).not.toContain(own);
  }
});

test('each server of ours knows the name that the other containers ask it by', async () => {
  const { plan } = await loadPlan('config/compose/edge.toml');
  const scraped = readFileSync('config/compose/scrape.yml', 'utf8');
  expect(scraped).toContain('http://edge:9091/sd');
  expect(plan?.metrics.hosts).toEqual(['edge']);
  expect(scraped).toContain("targets: ['gateway:9093']");
  expect(service('grafana')).toContain('http://gateway:9092');
  expect(plan?.gateway?.hosts).toEqual(['gateway']);
  expect(plan?.apps[0]?.instances[0]?.agent).toBe('app:9100');
  expect(service('app')).toMatch(/agent,.*--host, app,.* --,/);
});
