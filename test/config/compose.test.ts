import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

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
