/** The kernel separates by blanks, and a name may have any character but those: no other white space of JavaScript's. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { select } from '../helpers/exposition.ts';
import { collect, collectorOf, errors, machine } from './helpers.ts';

test.for(['\u2028', '\u2029', '\r', '\u00a0', '\u3000'])('a control group whose name has %j', async (odd) => {
  const folder = machine();
  const groups = join(folder, 'sys/fs/cgroup/system.slice');
  mkdirSync(join(groups, `a${odd}b`));
  writeFileSync(join(groups, `a${odd}b`, 'cpu.max'), '50000 100000\n');
  writeFileSync(join(folder, 'proc/self/cgroup'), `0::/system.slice/a${odd}b\n`);
  const page = await collect(collectorOf(folder));
  expect(select(page, 'fly_instance_cpu_baseline').map(({ value }) => value)).toEqual([0.5]);
  expect(errors(page)).toEqual({});
});

test.for([
  ['stat', 'stat', (text: string) => text.replace(/^(cpu0 \d+) /m, '$1\u00a0')],
  ['file-nr', 'sys/fs/file-nr', (text: string) => text.replace('\t', '\u00a0')],
  ['meminfo', 'meminfo', (text: string) => text.replace(/^(MemTotal:) +/m, '$1\u00a0')],
] as const)('%s with a blank that is none', async ([source, file, change]) => {
  const folder = machine();
  const path = join(folder, 'proc', file);
  writeFileSync(path, change(readFileSync(path, 'utf8')));
  expect(errors(await collect(collectorOf(folder)))).toEqual({ [source]: 1 });
});

test.for([
  ['vda\u00a0x', 'diskstats'],
  ['eth\u2003x', 'net/dev'],
])('a device that is called %j', async ([name, file]) => {
  const folder = machine();
  const path = join(folder, 'proc', file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(/nvme0n1(?= )|eth1(?=:)/, name));
  const page = await collectorOf(folder).collect();
  expect(page).toContain(`{device="${name}"} `);
});
