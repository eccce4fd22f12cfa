import type { BigIntStatsFs } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { select } from '../helpers/exposition.ts';
import { collect, collectorOf, errors, machine, recorded } from './helpers.ts';

const answer = (blocks: bigint, frsize = 4096n): BigIntStatsFs => ({
  type: 0n,
  bsize: 1_048_576n,
  frsize,
  blocks,
  bfree: 60n,
  bavail: 50n,
  files: 0n,
  ffree: 0n,
});
const mounts = (page: Awaited<ReturnType<typeof collect>>) =>
  select(page, 'fly_instance_filesystem_blocks').map(({ labels }) => labels.mount);

test('mount points are decoded, asked below the root, and shown in the unit of a fragment', async () => {
  const asked: string[] = [];
  const statfs = async (path: string) => {
    asked.push(path);
    return answer(100n);
  };
  const page = await collect(collectorOf(recorded, { root: '/host', statfs }));
  expect(mounts(page).sort()).toEqual(['/', '/srv/my data', '/srv/nfs', '/tmp']);
  // The last one mounted on a point is the one there; pseudo file systems, docker's and its files are left out.
  expect(asked.sort()).toEqual(['/host/', '/host/srv/my data', '/host/srv/nfs', '/host/tmp']);
  const values = ['blocks', 'block_size', 'blocks_free', 'blocks_avail'].map(
    (name) => select(page, `fly_instance_filesystem_${name}`, { mount: '/tmp' })[0]?.value,
  );
  expect(values).toEqual([100, 4096, 60, 50]);
});

test('no name hides from an exclusion behind a line feed', async () => {
  const folder = machine();
  writeFileSync(join(folder, 'proc/1/mounts'), 'a /run/a\\012b tmpfs rw 0 0\nb /srv/a\\012b ext4 rw 0 0\n');
  const page = await collect(collectorOf(folder, { statfs: async () => answer(7n) }));
  expect(mounts(page)).toEqual(['/srv/a\nb']);
});

test('a file system without blocks is none; one without fragments has its block size', async () => {
  const statfs = async (path: string) => answer(path === '/' ? 0n : 7n, 0n);
  const page = await collect(collectorOf(recorded, { statfs }));
  expect(mounts(page)).not.toContain('/');
  expect(select(page, 'fly_instance_filesystem_block_size', { mount: '/tmp' })[0]?.value).toBe(1_048_576);
  expect(errors(page)).toEqual({});
});

test('one that refuses is absent and counted', async () => {
  const statfs = async (path: string) => {
    if (path === '/tmp') throw Object.assign(new Error('no'), { code: 'EACCES' });
    return answer(7n);
  };
  const page = await collect(collectorOf(recorded, { statfs }));
  expect(mounts(page)).not.toContain('/tmp');
  expect(errors(page)).toEqual({ statvfs: 1 });
});

test('one that does not answer is absent and counted, and not asked again until it does', async () => {
  const late = Promise.withResolvers<BigIntStatsFs>();
  let asked = 0;
  const statfs = async (path: string) => {
    if (path !== '/srv/nfs') return answer(7n);
    asked += 1;
    return asked === 1 ? late.promise : answer(9n);
  };
  const collector = collectorOf(recorded, { statfs });
  for (const count of [1, 2]) {
    const page = await collect(collector);
    expect(mounts(page).sort()).toEqual(['/', '/srv/my data', '/tmp']);
    expect([errors(page), asked]).toEqual([{ statvfs: count }, 1]);
  }
  late.resolve(answer(8n));
  await setImmediate();
  const page = await collect(collector);
  expect(select(page, 'fly_instance_filesystem_blocks', { mount: '/srv/nfs' })[0]?.value).toBe(9);
  expect([errors(page), asked]).toEqual([{ statvfs: 2 }, 2]);
});
