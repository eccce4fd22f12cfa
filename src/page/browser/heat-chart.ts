import { format } from '../model/format.ts';
import type { HeatView } from '../model/view.ts';
import type { Drawing } from './chart.ts';
import { frame, look, timeAxis } from './plot.ts';
import { colour, theme } from './theme.ts';
import type uPlot from './uplot.js';

/** Labels that fit beside each other. */
const labels = 8;

/** @param current the view at the time of drawing. */
export function heatOptions(view: HeatView, current: () => HeatView): Drawing {
  return {
    shape: JSON.stringify(['heat', theme(), view.bounds]),
    data: [view.times, view.times.map(() => null)],
    options: (width, period) => {
      const { x, ...rest } = frame(width, period);
      const every = Math.ceil(view.bounds.length / labels);
      const edges = view.bounds.map((_, i) => i + 1).filter((edge) => edge % every === 0);
      return {
        ...rest,
        cursor: { ...rest.cursor, points: { show: false } },
        scales: { x, y: { range: () => [0, view.bounds.length] } },
        axes: [
          timeAxis(),
          {
            ...look(),
            size: 72,
            splits: () => edges,
            values: (_plot, splits) => splits.map((edge) => boundLabel(view.bounds[edge - 1]!)),
          },
        ],
        series: [{}, { points: { show: false } }],
        hooks: { drawClear: [(plot) => paint(plot, current())] },
      };
    },
  };
}

export const boundLabel = (bound: number): string => (bound === Infinity ? 'more' : `≤ ${format(bound, 'seconds')}`);

function paint(plot: uPlot, { times, cells }: HeatView): void {
  const most = Math.max(...cells.flatMap((row) => row.map((value) => value ?? 0)));
  if (!(most > 0)) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = colour('heat');
  cells.forEach((row, bucket) => {
    const top = plot.valToPos(bucket + 1, 'y', true);
    const bottom = plot.valToPos(bucket, 'y', true);
    row.forEach((value, i) => {
      if (!(value! > 0) || i === 0) return;
      const left = plot.valToPos(times[i - 1]!, 'x', true);
      const right = plot.valToPos(times[i]!, 'x', true);
      // Few and many are far apart: the root shows both.
      ctx.globalAlpha = 0.1 + 0.9 * Math.sqrt(value! / most);
      const [x, y] = [Math.round(left), Math.round(top)];
      ctx.fillRect(x, y + 1, Math.round(right) - x, Math.round(bottom) - y - 1);
    });
  });
  ctx.restore();
}
