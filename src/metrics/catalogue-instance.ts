/** The series of an instance's agent: each declared once, with where its value stands. */

import type { Declared } from './series.ts';

type InstanceRow = Omit<Declared, 'scope' | 'query'> & { query?: string };

const gauge = (
  name: string,
  source: string,
  unit: string,
  help: string,
  own: string[] = [],
  query?: string,
): InstanceRow => ({ name, type: 'gauge', own, unit, help, source, ...(query !== undefined && { query }) });

const counter = (
  name: string,
  source: string,
  unit: string,
  help: string,
  own: string[] = [],
  query?: string,
): InstanceRow => ({ name, type: 'counter', own, unit, help, source, ...(query !== undefined && { query }) });

const memory = (field: string, name: string, help: string, query?: string): InstanceRow =>
  gauge(`fly_instance_memory_${name}`, `/proc/meminfo ${field}`, 'bytes', help, [], query);

const disk = (position: number, name: string, unit: string, help: string, query?: string): InstanceRow =>
  counter(`fly_instance_disk_${name}`, `/proc/diskstats field ${position}`, unit, help, ['device'], query);

const net = (direction: 'recv' | 'sent', column: string, unit: string, help: string, query?: string): InstanceRow =>
  counter(
    `fly_instance_net_${direction}_${column}`,
    `/proc/net/dev ${direction === 'recv' ? 'receive' : 'transmit'} ${column}`,
    unit,
    help,
    ['device'],
    query,
  );

const filesystem = (field: string, name: string, unit: string, help: string, query?: string): InstanceRow =>
  gauge(`fly_instance_filesystem_${name}`, `statvfs ${field}`, unit, help, ['mount'], query);

const rows: InstanceRow[] = [
  gauge(
    'fly_instance_up',
    'agent',
    '1 = reporting',
    'The agent reports. An instance whose agent is gone has no such series: `up` of the scraper is 0 then.',
    [],
    'count by (app) (fly_instance_up)',
  ),
  memory('MemTotal', 'mem_total', 'Memory that the kernel can use.'),
  memory('MemFree', 'mem_free', 'Memory that nothing uses, caches included.'),
  memory(
    'MemAvailable',
    'mem_available',
    'What programs could still get without swapping: an estimate of the kernel.',
    '1 - fly_instance_memory_mem_available / fly_instance_memory_mem_total',
  ),
  memory('Buffers', 'buffers', 'Block device caches.'),
  memory('Cached', 'cached', 'Page cache, tmpfs included, without what is in swap_cached.'),
  memory('SwapCached', 'swap_cached', 'Memory that was swapped in again and is still in swap too.'),
  memory('Active', 'active', 'Pages used recently: taken back last.'),
  memory('Inactive', 'inactive', 'Pages not used recently: taken back first.'),
  memory('SwapTotal', 'swap_total', 'Swap space; 0 without any.'),
  memory(
    'SwapFree',
    'swap_free',
    'Swap space that is not in use.',
    'fly_instance_memory_swap_total - fly_instance_memory_swap_free',
  ),
  memory('Dirty', 'dirty', 'Waits to be written to disk.'),
  memory('Writeback', 'writeback', 'Is being written to disk.'),
  memory('Slab', 'slab', "The kernel's own data structures."),
  memory('Shmem', 'shmem', 'Shared memory and tmpfs.'),
  memory('VmallocTotal', 'vmalloc_total', 'Size of the address area of vmalloc.'),
  memory('VmallocUsed', 'vmalloc_used', 'Of it, in use.'),
  memory('VmallocChunk', 'vmalloc_chunk', 'Its largest free block; 0 on kernels since 4.4.'),
  gauge(
    'fly_instance_load_average',
    '/proc/loadavg',
    'load',
    'Tasks that run or wait, decaying average over 1, 5 and 15 minutes.',
    ['minutes'],
    'fly_instance_load_average{minutes="1"}',
  ),
  counter(
    'fly_instance_cpu',
    '/proc/stat cpuN',
    'centiseconds',
    'CPU time of each CPU by mode: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice. guest is in user too, and guest_nice in nice.',
    ['cpu_id', 'mode'],
    '100 * (1 - sum by (instance) (rate(fly_instance_cpu{mode=~"idle|iowait"}[5m])) / sum by (instance) (rate(fly_instance_cpu{mode!~"guest|guest_nice"}[5m])))',
  ),
  disk(
    1,
    'reads_completed',
    'operations',
    'Reads that were completed.',
    'sum by (instance, device) (rate(fly_instance_disk_reads_completed[5m]))',
  ),
  disk(2, 'reads_merged', 'operations', 'Reads that were merged with others before they were issued.'),
  disk(
    3,
    'sectors_read',
    '512-byte sectors',
    'Sectors read.',
    '512 * sum by (instance, device) (rate(fly_instance_disk_sectors_read[5m]))',
  ),
  disk(4, 'time_reading', 'milliseconds', 'Time spent by all reads.'),
  disk(5, 'writes_completed', 'operations', 'Writes that were completed.'),
  disk(6, 'writes_merged', 'operations', 'Writes that were merged with others before they were issued.'),
  disk(
    7,
    'sectors_written',
    '512-byte sectors',
    'Sectors written.',
    '512 * sum by (instance, device) (rate(fly_instance_disk_sectors_written[5m]))',
  ),
  disk(8, 'time_writing', 'milliseconds', 'Time spent by all writes.'),
  gauge('fly_instance_disk_io_in_progress', '/proc/diskstats field 9', 'operations', 'Operations under way now.', [
    'device',
  ]),
  disk(
    10,
    'time_io',
    'milliseconds',
    'Time with at least one operation under way.',
    'sum by (instance, device) (rate(fly_instance_disk_time_io[5m])) / 1000',
  ),
  disk(11, 'time_io_weighted', 'milliseconds', 'Time of all operations under way, added up.'),
  net('recv', 'bytes', 'bytes', 'Bytes received.', 'sum by (instance, device) (rate(fly_instance_net_recv_bytes[5m]))'),
  net('recv', 'packets', 'packets', 'Packets received.'),
  net('recv', 'errs', 'packets', 'Bad packets received.'),
  net('recv', 'drop', 'packets', 'Packets dropped on their way in.'),
  net('recv', 'fifo', 'packets', 'Receive FIFO overruns.'),
  net('recv', 'frame', 'packets', 'Framing errors: length, CRC, alignment.'),
  net('recv', 'compressed', 'packets', 'Compressed packets received.'),
  net('recv', 'multicast', 'packets', 'Multicast packets received.'),
  net('sent', 'bytes', 'bytes', 'Bytes sent.', 'sum by (instance, device) (rate(fly_instance_net_sent_bytes[5m]))'),
  net('sent', 'packets', 'packets', 'Packets sent.'),
  net('sent', 'errs', 'packets', 'Packets that could not be sent.'),
  net('sent', 'drop', 'packets', 'Packets dropped on their way out.'),
  net('sent', 'fifo', 'packets', 'Transmit FIFO underruns.'),
  net('sent', 'colls', 'packets', 'Collisions.'),
  net('sent', 'carrier', 'packets', 'Carrier losses and other such errors.'),
  net('sent', 'compressed', 'packets', 'Compressed packets sent.'),
  gauge(
    'fly_instance_filefd_allocated',
    '/proc/sys/fs/file-nr',
    'descriptors',
    'File handles in use.',
    [],
    'fly_instance_filefd_allocated / fly_instance_filefd_maximum',
  ),
  gauge('fly_instance_filefd_maximum', '/proc/sys/fs/file-nr', 'descriptors', 'File handles that there may be.'),
  filesystem('f_blocks', 'blocks', 'blocks', 'Size, in blocks of block_size.'),
  filesystem('f_frsize', 'block_size', 'bytes', 'Size of a block.'),
  filesystem('f_bfree', 'blocks_free', 'blocks', 'Free blocks, with those kept for root.'),
  filesystem(
    'f_bavail',
    'blocks_avail',
    'blocks',
    'Free blocks that everybody may use.',
    'fly_instance_filesystem_blocks_avail * fly_instance_filesystem_block_size',
  ),
  gauge(
    'fly_instance_exit_code',
    '`fly-edge agent -- CMD`',
    'exit code',
    'Exit code of the app that the agent ran, once it has ended; 128 + the number of the signal that ended it. The agent leaves when its scrapers know.',
    [],
    'last_over_time(fly_instance_exit_code[1h])',
  ),
  gauge(
    'fly_instance_exit_oom',
    '`fly-edge agent -- CMD`',
    '0 or 1',
    'Whether the app that the agent ran was killed because memory ran out.',
    [],
    'max_over_time(fly_instance_exit_oom[1h]) > 0',
  ),
  gauge(
    'fly_instance_cpu_baseline',
    'cgroup v2 cpu.max',
    'CPUs',
    'CPU time that the instance may use in each second; absent where nothing limits it.',
  ),
  counter(
    'fly_instance_cpu_throttle',
    'cgroup v2 cpu.stat throttled_usec',
    'centiseconds',
    'Time that the instance had to wait because it had used up its baseline, added up over its CPUs.',
    [],
    'rate(fly_instance_cpu_throttle[5m])',
  ),
  counter(
    'fly_instance_agent_error_count',
    'agent',
    'errors',
    'Sources that the agent could not read or understand, by source (meminfo, loadavg, stat, diskstats, net, file-nr, mounts, statvfs, cgroup): what they would have said is absent.',
    ['source'],
    'sum by (instance, source) (increase(fly_instance_agent_error_count[1h])) > 0',
  ),
];

export const instanceSeries: readonly Declared[] = rows.map((row) => ({
  ...row,
  scope: 'instance',
  query: row.query ?? (row.type === 'counter' ? `rate(${row.name}[5m])` : row.name),
}));
