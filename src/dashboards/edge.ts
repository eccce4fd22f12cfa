/** The side towards clients: rate, errors and duration first, then what carries them. */

import type { Page } from './dashboard.ts';
import { heatmap, stat, table, timeline, timeseries } from './panels.ts';
import {
  heat,
  increase,
  mean,
  named,
  quantile,
  quantiles,
  rate,
  ratio,
  share,
  sum,
  top,
  topAndOthers,
} from './queries.ts';
import { of } from './selectors.ts';

const responses = 'fly_edge_http_responses_count';
const time = 'fly_edge_http_response_time_seconds';
const handshakes = 'fly_edge_tls_handshake_time_seconds';

const open = (labels: string): string =>
  `${sum(labels, of('fly_edge_tcp_connects_count'))} - ${sum(labels, of('fly_edge_tcp_disconnects_count'))}`;

/** What never named a known app has an empty one. */
const byApp = (expr: string): string => named(expr, 'app', 'none');

const slot = 'host, proxy_id';
const slotLegend = '{{host}} {{proxy_id}}';
const operator = 'For the organization that runs the edge.';

const states = [
  { value: 0, text: 'none', color: 'text' },
  { value: 1, text: 'starting', color: 'blue' },
  { value: 2, text: 'ready', color: 'light-green' },
  { value: 3, text: 'draining', color: 'yellow' },
  { value: 4, text: 'accepting', color: 'green' },
];

/** One number for the state of a colour: of several generations, the one that counts most. */
const slotState = `max by (${slot}) (${states
  .slice(1)
  .map(({ value, text }) => `(${of('fly_slot_state', `state="${text}"`)} > bool 0) * ${value}`)
  .join(' or ')})`;

export const edge: Page = {
  name: 'edge',
  title: 'fly-edge: Edge',
  description: 'What clients see: responses, errors, times, connections, bytes, TLS; and the slots that serve them.',
  variables: ['app', 'region', 'host'],
  variablesFrom: 'fly_edge_data_in',
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
        stat('Open connections', { expr: open('') }),
        stat('Bytes out', { expr: sum('', rate('fly_edge_data_out')) }),
        stat('Errors of the edge', { expr: sum('', rate('fly_edge_error_count')) }, { from: [0.1, 10] }),
      ],
    },
    {
      title: 'Responses',
      panels: [
        timeseries('By status', [{ expr: sum('status', rate(responses)), legend: '{{status}}' }], {
          stack: true,
          statuses: true,
          min: 0,
        }),
        timeseries(
          'Errors by app',
          [
            top(byApp(ratio('app', responses, 'status=~"5.."')), '{{app}} 5xx'),
            top(byApp(ratio('app', responses, 'status=~"4.."')), '{{app}} 4xx'),
          ],
          { unit: 'percentunit', min: 0, text: 'Share of all responses.' },
        ),
        timeseries('By app', [topAndOthers(byApp(sum('app', rate(responses))), 'app')], { stack: true, min: 0 }),
      ],
    },
    {
      title: 'Response time',
      panels: [
        timeseries('Quantiles', [quantiles(time), { expr: mean('', time), legend: 'mean' }]),
        heatmap('Heat map', heat(time)),
        timeseries('99th percentile by app', [top(byApp(quantile(0.99, 'app', time)), '{{app}}')]),
        timeseries('Quick enough', [share(0.1, time), share(1, time)], {
          unit: 'percentunit',
          max: 1,
          width: 12,
          text: 'Share of responses that were done in that time.',
        }),
        timeseries('99th percentile by status', [{ expr: quantile(0.99, 'status', time), legend: '{{status}}' }], {
          statuses: true,
          width: 12,
        }),
      ],
    },
    {
      title: 'Connections and bytes',
      panels: [
        timeseries('Open connections', [topAndOthers(byApp(open('app')), 'app')], { min: 0 }),
        timeseries('Opened and closed', [
          { expr: sum('', rate('fly_edge_tcp_connects_count')), legend: 'opened' },
          { expr: sum('', rate('fly_edge_tcp_disconnects_count')), legend: 'closed' },
        ]),
        timeseries(
          'Bytes',
          [
            { expr: byApp(sum('app', rate('fly_edge_data_out'))), legend: '{{app}} out' },
            { expr: byApp(`-${sum('app', rate('fly_edge_data_in'))}`), legend: '{{app}} in' },
          ],
          { text: 'Towards clients above, from clients below.' },
        ),
      ],
    },
    {
      title: 'TLS',
      panels: [
        timeseries('Handshakes', [{ expr: sum('version', rate(`${handshakes}_count`)), legend: '{{version}}' }], {
          unit: 'cps',
          stack: true,
        }),
        timeseries('Handshake time', [quantiles(handshakes), { expr: mean('', handshakes), legend: 'mean' }]),
        timeseries(
          'Handshakes not finished',
          [
            {
              expr: byApp(
                named(sum('app, servername', increase('fly_edge_tls_handshake_errors')), 'servername', 'no known name'),
              ),
              legend: '{{app}} {{servername}}',
            },
          ],
          { bars: true },
        ),
      ],
    },
    {
      title: 'Errors of the edge itself',
      panels: [
        timeseries('By code', [{ expr: `${sum('code', increase('fly_edge_error_count'))} > 0`, legend: '{{code}}' }], {
          bars: true,
          stack: true,
          width: 16,
        }),
        table('In this time range', `${sum('app, code', `increase(${of('fly_edge_error_count')}[$__range])`)} > 0`, [
          'app',
          'code',
        ]),
      ],
    },
    {
      title: 'Slots',
      panels: [
        timeline('Slots', { expr: slotState, legend: slotLegend }, states, {
          text: `${operator} The state of each colour; of several generations the one nearest to accepting.`,
        }),
        timeseries('Flips', [{ expr: sum('result', increase('fly_slot_flips_count')), legend: '{{result}}' }], {
          bars: true,
          text: operator,
        }),
        timeseries(
          'Drain time',
          [
            { expr: mean('', 'fly_slot_drain_time_seconds'), legend: 'mean' },
            { expr: quantile(0.99, '', 'fly_slot_drain_time_seconds'), legend: 'longest' },
          ],
          { text: operator },
        ),
        timeseries(
          'Workers replaced',
          [{ expr: sum('host, reason', increase('fly_slot_worker_restarts_count')), legend: '{{host}} {{reason}}' }],
          { bars: true, text: operator },
        ),
      ],
    },
    {
      title: 'Slots, more',
      collapsed: true,
      panels: [
        timeseries('Generation', [{ expr: `max by (${slot}) (${of('fly_slot_generation')})`, legend: slotLegend }], {
          text: operator,
        }),
        timeseries(
          'Cut at the deadline',
          [{ expr: sum('host', increase('fly_slot_drain_cut_count')), legend: '{{host}}' }],
          {
            bars: true,
            text: operator,
          },
        ),
        table(
          'Versions',
          `max by (${slot}, version) (${of('fly_slot_build_info')}) == 1`,
          ['host', 'proxy_id', 'version'],
          {
            text: operator,
          },
        ),
      ],
    },
  ],
};
