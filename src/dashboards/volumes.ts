/** Thin volumes: how large, how full, and for how long still. */

import type { Page } from './dashboard.ts';
import { stat, table, timeseries } from './panels.ts';
import { increase, sum, top, topAndOthers } from './queries.ts';
import { of } from './selectors.ts';

const size = of('fly_volume_size_bytes');
const used = of('fly_volume_used_pct');
const labels = 'app, id';
const legend = '{{app}} {{id}}';
const usedBytes = `${size} * ${used} / 100`;

export const volumes: Page = {
  name: 'volumes',
  title: 'fly-edge: Volumes',
  description: 'Size of each volume, and how much of it was ever written to.',
  variables: ['app', 'region', 'host', 'id'],
  variablesFrom: 'fly_volume_size_bytes',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Volumes', { expr: `count(${size})` }, { unit: 'short', width: 6 }),
        stat('Size', { expr: sum('', size) }, { width: 6 }),
        stat('Used', { expr: sum('', usedBytes) }, { width: 6 }),
        stat('Fullest', { expr: `max(${used})` }, { width: 6, from: [80, 95] }),
      ],
    },
    {
      title: 'Volumes',
      panels: [
        timeseries('Full', [top(`max by (${labels}) (${used})`, legend)], { min: 0, max: 100, width: 12 }),
        timeseries('Used', [topAndOthers(sum(labels, usedBytes), 'id', legend)], { min: 0, width: 12, stack: true }),
        table('Fullest', `topk(20, max by (${labels}, host) (${used}))`, ['app', 'id', 'host'], { width: 12 }),
        table(
          'Full in',
          `min by (${labels}, host) ((100 - ${used}) / (deriv(${used}[6h]) > 0))`,
          ['app', 'id', 'host'],
          { unit: 's', width: 12, text: 'If it goes on to fill as in the last six hours.' },
        ),
      ],
    },
    {
      title: 'Size and errors',
      collapsed: true,
      panels: [
        timeseries('Size', [{ expr: sum(labels, size), legend }], { width: 12, min: 0 }),
        timeseries(
          'LVM could not be read',
          [{ expr: sum('host, reason', increase('fly_volume_error_count')), legend: '{{host}} {{reason}}' }],
          { width: 12, bars: true, text: 'For the organization that runs the edge.' },
        ),
      ],
    },
  ],
};
