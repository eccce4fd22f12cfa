import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { family } from '../../src/agent/page.ts';
import { instanceSeries } from '../../src/metrics/catalogue-instance.ts';
import { select, sum } from '../helpers/exposition.ts';
import { collect, collectorOf, errors, machine, recorded } from './helpers.ts';

const names = (page: Map<string, unknown>, prefix = '') => [...page.keys()].filter((name) => name.startsWith(prefix));
const devices = (page: Awaited<ReturnType<typeof collect>>, name: string) =>
  select(page, name).map(({ labels }) => labels.device);

test('a recorded machine has every series but those of file systems and of an app that ended', async () => {
  const page = await collect(collectorOf(recorded));
  const absent = instanceSeries.map(({ name }) => name).filter((name) => !page.has(name));
  expect(absent).toEqual([
    'fly_instance_filesystem_blocks',
    'fly_instance_filesystem_block_size',
    'fly_instance_filesystem_blocks_free',
    'fly_instance_filesystem_blocks_avail',
    'fly_instance_exit_code',
    'fly_instance_exit_oom',
  ]);
  expect(errors(page)).toEqual({});
  for (const { name, own } of instanceSeries) {
    for (const { labels } of select(page, name)) expect(Object.keys(labels)).toEqual(own);
  }
});

test('the page is the text format: promtool finds names to complain about, and nothing else', async () => {
  const text = await collectorOf(recorded).collect();
  const promtool = '/usr/bin/promtool';
  if (!existsSync(promtool)) return console.warn(`the format is not checked: ${promtool} is not installed`);
  let said = '';
  try {
    execFileSync(promtool, ['check', 'metrics'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
  } catch (error) {
    said = String((error as { stderr: Buffer }).stderr);
  }
  const complaints = said.split('\n').filter((line) => line !== '');
  const ofNames =
    /(non-)?counter metrics should (not )?have "_total" suffix|non-histogram and non-summary metrics should not have "_count" suffix/;
  expect(complaints.filter((line) => !ofNames.test(line))).toEqual([]);
  expect(complaints.length).toBeGreaterThan(0);
});

test('counters of 64 bits keep every digit', async () => {
  const text = await collectorOf(recorded).collect();
  const lines = [
    'disk_reads_completed{device="nvme0n1"} 18446744073709551615',
    'disk_writes_completed{device="nvme0n1"} 9007199254740993',
    'net_recv_bytes{device="eth1"} 18446744073709551615',
    'net_recv_packets{device="eth1"} 9007199254740993',
    'filefd_maximum 9223372036854775807',
  ];
  for (const line of lines) expect(text).toContain(`\nfly_instance_${line}\n`);
  const folder = machine();
  const meminfo = readFileSync(join(folder, 'proc/meminfo'), 'utf8');
  writeFileSync(join(folder, 'proc/meminfo'), meminfo.replace(/Cached: .*/, 'Cached: 9007199254740993 kB'));
  expect(await collectorOf(folder).collect()).toContain('\nfly_instance_memory_cached 9223372036854776832\n');
});

test('partitions and what is no disk are not shown by default, nor containers’ links, and all is on request', async () => {
  const page = await collect(collectorOf(recorded));
  expect(devices(page, 'fly_instance_disk_time_io')).toEqual(['vda', 'sda', 'nvme0n1', 'dm-0']);
  expect(devices(page, 'fly_instance_net_sent_colls')).toEqual(['lo', 'eth0', 'eth1']);
  const none = /^(?:)$/;
  const all = await collect(collectorOf(recorded, { excluded: { disk: none, net: none, mount: none, fsType: none } }));
  expect(devices(all, 'fly_instance_disk_time_io')).toHaveLength(8);
  expect(devices(all, 'fly_instance_net_sent_colls')).toHaveLength(4);
});

test.each([
  ['meminfo', 'meminfo', 'fly_instance_memory_', 1],
  ['loadavg', 'loadavg', 'fly_instance_load_', 1],
  ['stat', 'stat', 'fly_instance_cpu', 1],
  ['diskstats', 'diskstats', 'fly_instance_disk_', 1],
  ['net/dev', 'net', 'fly_instance_net_', 1],
  ['sys/fs/file-nr', 'file-nr', 'fly_instance_filefd_', 1],
  ['1/mounts', 'mounts', 'fly_instance_filesystem_', 1],
])('%s is gone: its series are absent, counted, and the rest is there', async (file, source, prefix, count) => {
  const folder = machine();
  const before = await collect(collectorOf(folder));
  rmSync(join(folder, 'proc', file));
  const collector = collectorOf(folder);
  const page = await collect(collector);
  const gone = names(before).filter((name) => name.startsWith(prefix) && !/^fly_instance_cpu_/.test(name));
  expect(names(before).filter((name) => !page.has(name))).toEqual(gone);
  expect(errors(page)).toEqual({ [source]: count });
  expect(errors(await collect(collector))).toEqual({ [source]: 2 * count });
});

test.each([
  ['meminfo', /Slab:.*/, 'Slab: much', 'meminfo', 'fly_instance_memory_slab', 0],
  ['meminfo', /Slab:.*\n/, '', 'meminfo', 'fly_instance_memory_slab', 0],
  ['loadavg', /^1\.30/, 'nan', 'loadavg', 'fly_instance_load_average', 2],
  ['stat', /^cpu1 .*/m, 'cpu1 1 2 -3 4', 'stat', 'fly_instance_cpu', 20],
  ['stat', /^cpu1 .*/m, 'cpu1 1 2', 'stat', 'fly_instance_cpu', 20],
  ['stat', /^cpu1 /m, 'cpu0 ', 'stat', 'fly_instance_cpu', 20],
  ['diskstats', /sda 917.*/, 'sda 917 40', 'diskstats', 'fly_instance_disk_time_io', 3],
  ['diskstats', / sda /, ' vda ', 'diskstats', 'fly_instance_disk_time_io', 3],
  ['diskstats', /^.*sda .*$/m, 'a line of another kind', 'diskstats', 'fly_instance_disk_time_io', 3],
  ['net/dev', /eth0: \d+/, 'eth0: -1', 'net', 'fly_instance_net_recv_bytes', 2],
  ['net/dev', /eth0: \d+/, 'eth0:', 'net', 'fly_instance_net_recv_bytes', 2],
  ['sys/fs/file-nr', /2336/, '', 'file-nr', 'fly_instance_filefd_allocated', 0],
  ['1/mounts', /^\/dev\/vda \/ ext4.*/m, 'short', 'mounts', 'fly_instance_up', 1],
])('%s with %s as %j: that line alone is absent', async (file, pattern, text, source, series, left) => {
  const folder = machine();
  const path = join(folder, 'proc', file);
  const changed = readFileSync(path, 'utf8').replace(pattern, text);
  expect(changed).not.toBe(readFileSync(path, 'utf8'));
  writeFileSync(path, changed);
  const page = await collect(collectorOf(folder));
  expect(select(page, series)).toHaveLength(left);
  expect(errors(page)).toEqual({ [source]: 1 });
});

test('older kernels: fewer modes of CPUs, no space after the colon of net/dev; an empty diskstats is no error', async () => {
  const folder = machine();
  writeFileSync(join(folder, 'proc/stat'), 'cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 5\n');
  writeFileSync(join(folder, 'proc/diskstats'), '');
  const page = await collect(collectorOf(folder));
  expect(select(page, 'fly_instance_cpu').map(({ labels }) => labels.mode)).toEqual(['user', 'nice', 'system', 'idle']);
  expect(page.has('fly_instance_disk_time_io')).toBe(false);
  expect(devices(page, 'fly_instance_net_recv_bytes')).toContain('eth1');
  expect(errors(page)).toEqual({});
});

test('a machine without swap says 0', async () => {
  const folder = machine();
  const meminfo = readFileSync(join(folder, 'proc/meminfo'), 'utf8');
  writeFileSync(join(folder, 'proc/meminfo'), meminfo.replace(/(Swap\w+: +)\d+/g, '$10'));
  const page = await collect(collectorOf(folder));
  for (const name of ['swap_total', 'swap_free', 'swap_cached'])
    expect(page.get(`fly_instance_memory_${name}`)).toEqual([{ labels: {}, value: 0 }]);
  expect(errors(page)).toEqual({});
});

test('a CPU that is taken out is gone from the next scrape, and back when it is put in', async () => {
  const folder = machine();
  const collector = collectorOf(folder);
  const cpus = async () =>
    new Set(select(await collect(collector), 'fly_instance_cpu').map(({ labels }) => labels.cpu_id));
  const stat = readFileSync(join(folder, 'proc/stat'), 'utf8');
  expect(await cpus()).toEqual(new Set(['0', '1', '3']));
  writeFileSync(join(folder, 'proc/stat'), stat.replace(/^cpu1 .*\n/m, ''));
  expect(await cpus()).toEqual(new Set(['0', '3']));
  writeFileSync(join(folder, 'proc/stat'), stat);
  expect(await cpus()).toEqual(new Set(['0', '1', '3']));
});

test('a device that is gone is gone from the next scrape, and one that comes is there, at its place in the file', async () => {
  const folder = machine();
  const collector = collectorOf(folder);
  const file = join(folder, 'proc/net/dev');
  const net = readFileSync(file, 'utf8');
  const shown = async () => devices(await collect(collector), 'fly_instance_net_recv_bytes');
  expect(await shown()).toEqual(['lo', 'eth0', 'eth1']);
  writeFileSync(file, net.replace(/^ *eth0:.*\n/m, ''));
  expect(await shown()).toEqual(['lo', 'eth1']);
  writeFileSync(file, net.replace(/^( *)eth0(:.*\n)/m, '$&$1we"ird$2'));
  expect(await shown()).toEqual(['lo', 'eth0', 'we"ird', 'eth1']);
  expect(errors(await collect(collector))).toEqual({});
});

test('the operator is told of a fault once', async () => {
  const folder = machine();
  const lines: string[] = [];
  rmSync(join(folder, 'proc/diskstats'));
  const collector = collectorOf(folder, { tell: (line) => lines.push(line) });
  for (let i = 0; i < 3; i++) await collector.collect();
  expect(lines).toEqual([expect.stringMatching(/^diskstats: .*\/proc\/diskstats: no such file; counted/)]);
});

test('scrapes at the same time get one page', async () => {
  const collector = collectorOf(recorded);
  const [first, second] = [collector.collect(), collector.collect()];
  expect(second).toBe(first);
  await first;
  expect(collector.collect()).not.toBe(first);
});

test('the tightest limit around the agent is its baseline, and its group says what was held back', async () => {
  const page = await collect(collectorOf(recorded));
  expect(sum(page, 'fly_instance_cpu_baseline')).toBe(1.5);
  expect(await collectorOf(recorded).collect()).toContain('\nfly_instance_cpu_throttle 123.4567\n');
});

test.each([
  ['no limit', 'fs/cgroup/system.slice/cpu.max', 'max 100000\n', 2, 0, {}],
  ['not understood', 'fs/cgroup/system.slice/cpu.max', 'little', 2, 0, { cgroup: 1 }],
  ['no v2', 'fs/cgroup/cgroup.controllers', null, undefined, undefined, {}],
])('cgroup: %s', async (_, file, text, baseline, throttle, expected) => {
  const folder = machine();
  if (text === null) rmSync(join(folder, 'sys', file));
  else writeFileSync(join(folder, 'sys', file), text);
  const page = await collect(collectorOf(folder));
  expect(page.get('fly_instance_cpu_baseline')?.[0]?.value).toBe(baseline);
  expect(page.get('fly_instance_cpu_throttle')?.[0]?.value).toBe(throttle);
  expect(errors(page)).toEqual(expected);
});

test('a folder in the place of a file is unreadable, and counted', async () => {
  const folder = machine();
  rmSync(join(folder, 'sys/fs/cgroup/system.slice/cpu.max'));
  mkdirSync(join(folder, 'sys/fs/cgroup/system.slice/cpu.max'));
  const page = await collect(collectorOf(folder));
  expect(errors(page)).toEqual({ cgroup: 1 });
  expect(page.has('fly_instance_cpu_baseline')).toBe(false);
});

test('a name that the catalogue does not have throws', () => {
  expect(() => family('memory_mem_totall')).toThrow('fly_instance_memory_mem_totall is not in the catalogue');
});
