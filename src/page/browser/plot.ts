/** What all charts have in common: size, time axis, colours, one cursor for all. */

import { format, type Unit } from '../model/format.ts';
import { toDay, toMinute, toSecond } from './clock.ts';
import { colour } from './theme.ts';
import type uPlot from './uplot.js';

export const height = 190;

const font = '12px system-ui, sans-serif';
const day = 86_400;

export interface Period {
  from: number;
  to: number;
}

export function timeAxis(): uPlot.Axis {
  return {
    ...look(),
    size: 32,
    gap: 9,
    space: 64,
    values: (_plot, splits, _axis, _space, increment) =>
      splits.map((time) => {
        if (increment >= day) return toDay(time);
        if (increment >= 6 * 3600) return `${toDay(time)} ${toMinute(time)}`;
        return increment < 60 ? toSecond(time) : toMinute(time);
      }),
  };
}

export const valueAxis = (unit: Unit): uPlot.Axis => ({
  ...look(),
  size: 72,
  space: 34,
  values: (_plot, splits) => splits.map((value: number | null) => (value === null ? '' : format(value, unit))),
});

export const look = (): Pick<uPlot.Axis, 'stroke' | 'font' | 'grid' | 'ticks'> => ({
  stroke: colour('muted'),
  font,
  grid: { stroke: colour('grid'), width: 1 },
  ticks: { show: false },
});

/** @param period read anew at each drawing. */
export function frame(
  width: number,
  period: () => Period,
): Pick<uPlot.Options, 'width' | 'height' | 'legend' | 'cursor' | 'padding'> & { x: uPlot.Scale } {
  return {
    width,
    height,
    legend: { show: false },
    padding: [10, 12, 0, 0],
    cursor: { sync: { key: 'page' }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
    x: {
      time: true,
      range: () => {
        const { from, to } = period();
        return [from, to];
      },
    },
  };
}
