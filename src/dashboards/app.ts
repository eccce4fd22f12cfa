/** The side towards instances: each one's answers, times, connections and load. */

import type { Page } from './dashboard.ts';
import { heatmap, plain, stat, table, timeline, timeseries } from './panels.ts';
import { heat, increase, mean, quantile, quantiles, rate, ratio, sum, top, topAndOthers } from './queries.ts';
import { of } from './selectors.ts';

const responses = 'fly_app_http_responses_count';
const time = 'fly_app_http_response_time_seconds';
const connect = 'fly_app_connect_time_seconds';

const open = (labels: string): string =>
  `${sum(labels, of('fly_app_tcp_connects_count'))} - ${sum(labels, of('fly_app_tcp_disconnects_count'))}`;

/** Both slots know it, and may differ while one of them drains. */
const limit = (kind: 'soft' | 'hard'): string => `max by (app, instance) (${of(`fly_app_${kind}_limit`)})`;

/** As each edge sees it, in whichever slot knows it: seen well by one of them, it is. */
const healthy = `max by (app, host, instance, check) (${of('fly_app_instance_healthy')})`;

const health = [
  { value: 0, text: 'gets no requests', color: 'red' },
  { value: 1, text: 'healthy', color: 'green' },
];

export const app: Page = {
  name: 'app',
  title: 'fly-edge: App',
  description:
    "What the edge sees of an app's instances: answers, errors, times, connections, concurrency and its limits.",
  variables: ['app', 'region', 'host', 'instance'],
  variablesFrom: 'fly_app_tcp_connects_count',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Responses', { expr: sum('', rate(responses)) }),
        stat(
          'Server errors',
          { expr: ratio('', responses, 'status=~"5.."') },
          { unit: 'percentunit', from: [0.001, 0.01], text: 'Share of 5xx among all responses.' },
        ),
        stat('99th percentile', { expr: quantile(0.99, '', time) }, { from: [1, 5] }),
        stat('Concurrency', { expr: sum('', of('fly_app_concurrency')) }),
        stat(
          'Instances',
          { expr: `count(count by (instance) (${of('fly_app_tcp_connects_count')}))` },
          {
            unit: 'short',
            text: 'Instances that the edge knows.',
          },
        ),
        stat(
          'Hard limit reached',
          { expr: `sum(increase(${of('fly_app_hard_limit_reached_count')}[$__range]))` },
          {
            from: [1, 100],
            text: 'In this time range.',
          },
        ),
      ],
    },
    {
      title: 'Responses',
      panels: [
        timeseries('By instance', [topAndOthers(sum('instance', rate(responses)), 'instance')], {
          stack: true,
          min: 0,
          drill: true,
        }),
        timeseries('By status', [{ expr: sum('status', rate(responses)), legend: '{{status}}' }], {
          stack: true,
          statuses: true,
          min: 0,
        }),
        timeseries('Server errors by instance', [top(ratio('instance', responses, 'status=~"5.."'), '{{instance}}')], {
          unit: 'percentunit',
          min: 0,
          drill: true,
          text: 'Share of 5xx among its responses.',
        }),
      ],
    },
    {
      title: 'Health',
      panels: [
        timeline(
          'Instances that get no requests',
          { expr: `bottomk_avg(10, ${healthy})`, legend: '{{app}} {{instance}} {{check}}', metricsql: true },
          health,
          {
            width: 16,
            height: 8,
            text: 'The ten that were ill longest. service: it fails its checks. passive: its requests failed, and it is ejected or on trial.',
          },
        ),
        table('Ill now', `1 - ${healthy} == 1`, ['app', 'host', 'instance', 'check'], { width: 8 }),
      ],
    },
    {
      title: 'Response time',
      panels: [
        timeseries('Quantiles', [quantiles(time), { expr: mean('', time), legend: 'mean' }]),
        heatmap('Heat map', heat(time)),
        timeseries('99th percentile by instance', [top(quantile(0.99, 'instance', time), '{{instance}}')], {
          drill: true,
        }),
      ],
    },
    {
      title: 'Concurrency and its limits',
      panels: [
        timeseries('Concurrency by instance', [topAndOthers(sum('instance', of('fly_app_concurrency')), 'instance')], {
          min: 0,
          drill: true,
        }),
        timeseries(
          'All instances together',
          [
            { expr: sum('', of('fly_app_concurrency')), legend: 'concurrency' },
            { expr: sum('', limit('soft')), legend: 'soft limit' },
            { expr: sum('', limit('hard')), legend: 'hard limit' },
          ],
          { min: 0 },
        ),
        timeseries(
          'Share of its soft limit',
          [top(`sum by (app, instance) (${of('fly_app_concurrency')}) / ${limit('soft')}`, '{{app}} {{instance}}')],
          { unit: 'percentunit', min: 0, drill: true, text: 'From 100 % on, others are asked first.' },
        ),
        timeseries(
          'Soft limit reached',
          [topAndOthers(sum('instance', increase('fly_app_soft_limit_reached_count')), 'instance')],
          { bars: true, drill: true, width: 12 },
        ),
        timeseries(
          'Hard limit reached',
          [topAndOthers(sum('instance', increase('fly_app_hard_limit_reached_count')), 'instance')],
          { bars: true, drill: true, width: 12 },
        ),
      ],
    },
    {
      title: 'Connections',
      panels: [
        timeseries('Time to connect', [quantiles(connect), { expr: mean('', connect), legend: 'mean' }]),
        timeseries('99th percentile by instance', [top(quantile(0.99, 'instance', connect), '{{instance}}')], {
          drill: true,
        }),
        timeseries('Open connections', [topAndOthers(open('instance'), 'instance')], {
          min: 0,
          unit: 'short',
          drill: true,
        }),
      ],
    },
    {
      title: 'Connections, more',
      collapsed: true,
      panels: ['fly_app_tcp_connects_count', 'fly_app_tcp_disconnects_count'].map((name) => plain(name, { width: 12 })),
    },
  ],
};
