/** Both read the same machine: every value of ours that node_exporter can give is the same. */

import { existsSync, promises } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { instanceSeries } from '../../src/metrics/catalogue-instance.ts';
import { type Page, parseExposition, type Sample, select } from '../helpers/exposition.ts';
import { collect, collectorOf, recorded } from './helpers.ts';

const program = '/usr/bin/prometheus-node-exporter';
const installed = existsSync(program);
if (!installed) console.warn(`nothing is compared with node_exporter: ${program} is not installed`);

async function nodeExporter(collectors: string[], ...args: string[]): Promise<Page> {
  const [port] = await freePorts(1);
  const child = start(program, [
    `--web.listen-address=127.0.0.1:${port}`,
    '--collector.disable-defaults',
    ...collectors.map((name) => `--collector.${name}`),
    ...args,
  ]);
  onTestFinished(() => stop(child));
  const url = `http://127.0.0.1:${port}/metrics`;
  await ready(child, 'node_exporter', async () => (await fetch(url)).ok);
  return parseExposition(await (await fetch(url)).text());
}

interface Counterpart {
  name: string;
  /** Theirs, as a number of ours. */
  scale?: number;
  /** Labels of theirs, for a sample of ours. */
  labels?: (sample: Sample) => Record<string, string>;
}

const same = ({ labels }: Sample) => labels as Record<string, string>;
const device = (name: string, scale = 1): Counterpart => ({ name, scale, labels: same });
const memory = (name: string): Counterpart => ({ name: `node_memory_${name}_bytes` });
const netNames = { recv: 'receive', sent: 'transmit' };

/** By the name of ours without `fly_instance_`. */
const counterparts: Record<string, Counterpart> = {
  ...Object.fromEntries(
    instanceSeries
      .filter(({ source }) => source.startsWith('/proc/meminfo '))
      .map(({ name, source }) => [name.slice('fly_instance_'.length), memory(source.split(' ')[1]!)]),
  ),
  disk_reads_completed: device('node_disk_reads_completed_total'),
  disk_reads_merged: device('node_disk_reads_merged_total'),
  disk_sectors_read: device('node_disk_read_bytes_total', 1 / 512),
  disk_time_reading: device('node_disk_read_time_seconds_total', 1000),
  disk_writes_completed: device('node_disk_writes_completed_total'),
  disk_writes_merged: device('node_disk_writes_merged_total'),
  disk_sectors_written: device('node_disk_written_bytes_total', 1 / 512),
  disk_time_writing: device('node_disk_write_time_seconds_total', 1000),
  disk_io_in_progress: device('node_disk_io_now'),
  disk_time_io: device('node_disk_io_time_seconds_total', 1000),
  disk_time_io_weighted: device('node_disk_io_time_weighted_seconds_total', 1000),
  ...Object.fromEntries(
    instanceSeries
      .filter(({ source }) => source.startsWith('/proc/net/dev '))
      .map(({ name }) => {
        const [, direction, column] = /_net_(recv|sent)_(\w+)$/.exec(name)!;
        return [
          name.slice('fly_instance_'.length),
          device(`node_network_${netNames[direction as 'recv' | 'sent']}_${column}_total`),
        ];
      }),
  ),
  filefd_allocated: { name: 'node_filefd_allocated' },
  filefd_maximum: { name: 'node_filefd_maximum' },
};

const cannot: Record<string, string> = {
  up: 'is about the agent itself',
  load_average: 'compared below: three names there',
  cpu: 'compared below: guest modes have a name of their own there',
  filesystem_blocks: 'compared below, live',
  filesystem_block_size: 'compared below, live',
  filesystem_blocks_free: 'compared below, live',
  filesystem_blocks_avail: 'compared below, live',
  exit_code: 'it runs no app',
  exit_oom: 'it runs no app',
  cpu_baseline: 'it reads no cgroups',
  cpu_throttle: 'it reads no cgroups',
  agent_error_count: 'is about the agent itself',
};

test.runIf(installed)('one recorded tree, name by name', async () => {
  // Theirs leaves out `lo` by default, and shows what we leave out.
  const theirs = await nodeExporter(
    ['cpu', 'cpu.guest', 'meminfo', 'loadavg', 'diskstats', 'netdev', 'filefd'],
    `--path.procfs=${join(recorded, 'proc')}`,
    `--path.sysfs=${join(recorded, 'sys')}`,
    '--no-collector.netdev.netlink',
    '--collector.netdev.device-exclude=^veth.*$',
  );
  const ours = await collect(collectorOf(recorded));
  expect(Object.keys({ ...counterparts, ...cannot }).sort()).toEqual(
    instanceSeries.map(({ name }) => name.slice('fly_instance_'.length)).sort(),
  );
  for (const [short, { name, scale = 1, labels = () => ({}) }] of Object.entries(counterparts)) {
    const samples = select(ours, `fly_instance_${short}`);
    expect(samples.length, short).toBeGreaterThan(0);
    // The same devices, too: dm-0 and the others, but not what either leaves out.
    expect(samples.length, name).toBe(theirs.get(name)?.length);
    for (const sample of samples) {
      const [their] = select(theirs, name, labels(sample));
      expect(close(sample.value, their!.value * scale), `${short} ${JSON.stringify(sample)} ${their?.value}`).toBe(
        true,
      );
    }
  }
  for (const [minutes, name] of [
    ['1', 'node_load1'],
    ['5', 'node_load5'],
    ['15', 'node_load15'],
  ] as const) {
    expect(select(ours, 'fly_instance_load_average', { minutes })[0]!.value).toBe(theirs.get(name)![0]!.value);
  }
  const cpus = select(ours, 'fly_instance_cpu');
  const theirCpus = [...theirs.get('node_cpu_seconds_total')!, ...theirs.get('node_cpu_guest_seconds_total')!];
  // The recorded machine has no CPU 2: theirs gives it zeros, ours is silent.
  const [taken, there] = [true, false].map((out) => theirCpus.filter(({ labels }) => (labels.cpu === '2') === out));
  expect(new Set(taken!.map(({ value }) => value))).toEqual(new Set([0]));
  expect(cpus).toHaveLength(there!.length);
  for (const { labels, value } of cpus) {
    const { cpu_id: cpu, mode } = labels as { cpu_id: string; mode: string };
    const [their] = mode.startsWith('guest')
      ? select(theirs, 'node_cpu_guest_seconds_total', { cpu, mode: mode === 'guest' ? 'user' : 'nice' })
      : select(theirs, 'node_cpu_seconds_total', { cpu, mode });
    expect(close(value, their!.value * 100), `${cpu} ${mode}`).toBe(true);
  }
});

/** Seconds there are a quotient of what is a count here. */
const close = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(a, b) * 1e-12;

test.runIf(installed)('file systems of this machine', async () => {
  const theirs = await nodeExporter(
    ['filesystem'],
    '--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys)($|/)',
  );
  const statfs = (path: string) => promises.statfs(path, { bigint: true });
  const ours = await collect(collectorOf('/', { statfs }));
  const both = select(ours, 'fly_instance_filesystem_blocks').filter(
    ({ labels }) => select(theirs, 'node_filesystem_size_bytes', { mountpoint: labels.mount! }).length > 0,
  );
  expect(both.map(({ labels }) => labels.mount)).toContain('/');
  for (const { labels, value } of both) {
    const { mount } = labels as { mount: string };
    const bytes = (name: string) =>
      select(ours, `fly_instance_filesystem_${name}`, { mount })[0]!.value *
      select(ours, 'fly_instance_filesystem_block_size', { mount })[0]!.value;
    const their = (name: string) => select(theirs, `node_filesystem_${name}_bytes`, { mountpoint: mount })[0]!.value;
    expect(value).toBeGreaterThan(0);
    expect(bytes('blocks')).toBe(their('size'));
    // Others write to it between the two looks.
    expect(Math.abs(bytes('blocks_free') - their('free'))).toBeLessThan(their('size') / 10);
    expect(Math.abs(bytes('blocks_avail') - their('avail'))).toBeLessThan(their('size') / 10);
  }
});
