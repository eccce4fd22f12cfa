/** What the agents say: an instance's CPU, memory, disks, network, files, and how its app ended. */

import type { Page } from './dashboard.ts';
import { plain, stat, table, timeline, timeseries } from './panels.ts';
import { below, increase, type Query, rate, sum, sumOfRates, top, topAndOthers } from './queries.ts';
import { of } from './selectors.ts';

const memory = (field: string): string => of(`fly_instance_memory_${field}`);
const disk = (field: string): string => rate(`fly_instance_disk_${field}`);
const filesystem = (field: string): string => of(`fly_instance_filesystem_${field}`);

const device = 'instance, device';
const byDevice = '{{instance}} {{device}}';
const mount = 'instance, mount';
const byMount = '{{instance}} {{mount}}';

/** guest is in user too, and guest_nice in nice. */
const modes = 'mode!~"guest|guest_nice"';
const busy = (labels: string): string =>
  `1 - ${sum(labels, rate('fly_instance_cpu', 'mode=~"idle|iowait"'))} / ${sum(labels, rate('fly_instance_cpu', modes))}`;

const memoryUsed = (labels: string): string =>
  `1 - ${sum(labels, memory('mem_available'))} / ${sum(labels, memory('mem_total'))}`;

const mountUsed = `1 - max by (${mount}) (${filesystem('blocks_avail')}) / max by (${mount}) (${filesystem('blocks')})`;

const share = { unit: 'percentunit', min: 0, max: 1 };

/** One line for each device, the busiest of them. @param what it does, when others are beside it. */
const perDevice = (expr: string, what = ''): Query => topAndOthers(expr, 'device', `${byDevice} ${what}`.trim());

/** An agent leaves once the end of its app was scraped: now, there is hardly ever one that tells of it. */
const ofEnds = (over: string, name: string): string => `max by (app, instance) (${over}(${of(name)}[$__range]))`;

const upDown = [{ value: 1, text: 'reporting', color: 'green' }];

export const instance: Page = {
  name: 'instance',
  title: 'fly-edge: Instance',
  description: 'What the agents beside the instances read from the kernel, and how the apps that they run have ended.',
  variables: ['app', 'region', 'host', 'instance'],
  variablesFrom: 'fly_instance_up',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Instances that report', { expr: sum('', of('fly_instance_up')) }, { unit: 'short' }),
        stat('CPU', { expr: busy('') }, { unit: 'percentunit', from: [0.7, 0.9], text: 'Neither idle nor waiting.' }),
        stat('Memory', { expr: memoryUsed('') }, { unit: 'percentunit', from: [0.8, 0.95], text: 'Not available.' }),
        stat('Fullest file system', { expr: `max(${mountUsed})` }, { unit: 'percentunit', from: [0.8, 0.95] }),
        stat('Network in', { expr: sum('', rate('fly_instance_net_recv_bytes')) }),
        stat('Network out', { expr: sum('', rate('fly_instance_net_sent_bytes')) }),
      ],
    },
    {
      title: 'CPU',
      panels: [
        timeseries('By mode', [{ expr: sumOfRates('mode', 'fly_instance_cpu', modes), legend: '{{mode}}' }], {
          unit: 'short',
          stack: true,
          min: 0,
          text: 'CPUs busy with it, on average.',
        }),
        timeseries('Busy', [top(busy('instance'), '{{instance}}')], share),
        timeseries(
          'Load',
          [
            {
              expr: `max by (instance, minutes) (${of('fly_instance_load_average')})`,
              legend: '{{instance}} {{minutes}} min',
            },
          ],
          { min: 0 },
        ),
        timeseries(
          'Baseline',
          [
            { expr: sum('instance', of('fly_instance_cpu_baseline')), legend: '{{instance}} allowed' },
            {
              expr: sumOfRates('instance', 'fly_instance_cpu', 'mode!~"guest|guest_nice|idle|iowait|steal"'),
              legend: '{{instance}} used',
            },
          ],
          {
            unit: 'short',
            width: 12,
            min: 0,
            text: 'CPUs that may be used, and that are. In a container the first is its own, the second the machine’s.',
          },
        ),
        timeseries('Throttled', [top(sumOfRates('instance', 'fly_instance_cpu_throttle'), '{{instance}}')], {
          width: 12,
          min: 0,
          text: 'Seconds of waiting in each second, added up over its CPUs.',
        }),
      ],
    },
    {
      title: 'Memory',
      panels: [
        timeseries(
          'Breakdown',
          [
            {
              expr: ['mem_free', 'buffers', 'cached', 'slab'].reduce(
                (left, field) => `${left} - sum(${memory(field)})`,
                `sum(${memory('mem_total')})`,
              ),
              legend: 'programs',
            },
            ...['slab', 'buffers', 'cached'].map((field) => ({ expr: `sum(${memory(field)})`, legend: field })),
            { expr: `sum(${memory('mem_free')})`, legend: 'free' },
          ],
          { stack: true, min: 0 },
        ),
        timeseries('Used', [top(memoryUsed('instance'), '{{instance}}')], {
          ...share,
          text: 'Total without what is available.',
        }),
        timeseries(
          'Swap',
          [
            {
              expr: `${sum('instance', memory('swap_total'))} - ${sum('instance', memory('swap_free'))}`,
              legend: '{{instance}} used',
            },
            { expr: sum('instance', memory('swap_cached')), legend: '{{instance}} in memory too' },
          ],
          { min: 0 },
        ),
      ],
    },
    {
      title: 'Disks',
      panels: [
        timeseries(
          'Operations',
          [
            perDevice(sum(device, disk('reads_completed')), 'read'),
            below(perDevice(sum(device, disk('writes_completed')), 'write')),
          ],
          { text: 'Reads above, writes below.' },
        ),
        timeseries(
          'Bytes',
          [
            perDevice(sumOfRates(device, 'fly_instance_disk_sectors_read'), 'read'),
            below(perDevice(sumOfRates(device, 'fly_instance_disk_sectors_written'), 'written')),
          ],
          { text: 'Read above, written below.' },
        ),
        timeseries('Busy', [top(sumOfRates(device, 'fly_instance_disk_time_io'), byDevice)], {
          ...share,
          text: 'Share of the time with at least one operation under way.',
        }),
        timeseries(
          'Time of an operation',
          [
            {
              expr: `${sumOfRates(device, 'fly_instance_disk_time_reading')} / (${sum(device, disk('reads_completed'))} > 0)`,
              legend: `${byDevice} read`,
            },
            {
              expr: `${sumOfRates(device, 'fly_instance_disk_time_writing')} / (${sum(device, disk('writes_completed'))} > 0)`,
              legend: `${byDevice} write`,
            },
          ],
          { unit: 's', min: 0 },
        ),
        timeseries('Under way', [perDevice(sum(device, of('fly_instance_disk_io_in_progress')))], { min: 0 }),
        timeseries('Under way on average', [perDevice(sumOfRates(device, 'fly_instance_disk_time_io_weighted'))], {
          unit: 'short',
          min: 0,
        }),
      ],
    },
    {
      title: 'Network',
      panels: [
        timeseries(
          'Bytes',
          [
            perDevice(sum(device, rate('fly_instance_net_recv_bytes')), 'received'),
            below(perDevice(sum(device, rate('fly_instance_net_sent_bytes')), 'sent')),
          ],
          { text: 'Received above, sent below.' },
        ),
        timeseries(
          'Packets',
          [
            perDevice(sum(device, rate('fly_instance_net_recv_packets')), 'received'),
            below(perDevice(sum(device, rate('fly_instance_net_sent_packets')), 'sent')),
          ],
          { text: 'Received above, sent below.' },
        ),
        timeseries(
          'Errors and drops',
          ['recv_errs', 'recv_drop', 'sent_errs', 'sent_drop'].map((field) => ({
            expr: sum(device, rate(`fly_instance_net_${field}`)),
            legend: `${byDevice} ${field.replace('_', ' ')}`,
          })),
          { min: 0 },
        ),
      ],
    },
    {
      title: 'File systems and descriptors',
      panels: [
        timeseries('Full', [top(mountUsed, byMount)], {
          ...share,
          text: 'Share of the blocks that not everybody may use any more.',
        }),
        timeseries(
          'Free',
          [
            {
              expr: `max by (${mount}) (${filesystem('blocks_avail')} * ${filesystem('block_size')})`,
              legend: byMount,
            },
          ],
          { unit: 'bytes', min: 0 },
        ),
        timeseries(
          'File handles',
          [
            {
              expr: `max by (instance) (${of('fly_instance_filefd_allocated')} / ${of('fly_instance_filefd_maximum')})`,
              legend: '{{instance}}',
            },
          ],
          { unit: 'percentunit', min: 0, text: 'In use, among those that there may be.' },
        ),
      ],
    },
    {
      title: 'The app and the agent',
      panels: [
        timeline('Reporting', { expr: `max by (instance) (${of('fly_instance_up')})`, legend: '{{instance}}' }, upDown),
        table('Exit codes', ofEnds('last_over_time', 'fly_instance_exit_code'), ['app', 'instance'], {
          text: 'The last one in this time range. 137 is SIGKILL, 143 SIGTERM.',
        }),
        table('Killed for memory', `${ofEnds('max_over_time', 'fly_instance_exit_oom')} > 0`, ['app', 'instance'], {
          text: 'In this time range.',
        }),
        timeseries(
          'Errors of the agent',
          [
            {
              expr: sum('instance, source', increase('fly_instance_agent_error_count')),
              legend: '{{instance}} {{source}}',
            },
          ],
          { bars: true },
        ),
      ],
    },
    {
      title: 'Memory, more',
      collapsed: true,
      panels: [
        'active',
        'inactive',
        'dirty',
        'writeback',
        'shmem',
        'vmalloc_total',
        'vmalloc_used',
        'vmalloc_chunk',
      ].map((field) => plain(`fly_instance_memory_${field}`)),
    },
    {
      title: 'Disks and file systems, more',
      collapsed: true,
      panels: [
        plain('fly_instance_disk_reads_merged'),
        plain('fly_instance_disk_writes_merged'),
        plain('fly_instance_filesystem_blocks_free'),
        plain('fly_instance_filesystem_block_size'),
      ],
    },
    {
      title: 'Network, more',
      collapsed: true,
      panels: [
        'recv_fifo',
        'recv_frame',
        'recv_compressed',
        'recv_multicast',
        'sent_fifo',
        'sent_colls',
        'sent_carrier',
        'sent_compressed',
      ].map((field) => plain(`fly_instance_net_${field}`)),
    },
  ],
};
