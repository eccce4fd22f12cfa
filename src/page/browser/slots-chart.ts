import type { SlotsView } from '../model/view.ts';
import type { Drawing } from './chart.ts';
import { hatching, toneOf } from './ink.ts';
import { frame, look, timeAxis } from './plot.ts';
import { colour, theme } from './theme.ts';
import type uPlot from './uplot.js';

/** @param current the view at the time of drawing. */
export function slotsOptions(view: SlotsView, current: () => SlotsView): Drawing {
  return {
    shape: JSON.stringify(['slots', theme()]),
    data: [view.times, view.times.map(() => null)],
    options: (width, period) => {
      const { x, ...rest } = frame(width, period);
      return {
        ...rest,
        cursor: { ...rest.cursor, points: { show: false } },
        scales: { x, y: { range: () => [0, 2] } },
        axes: [
          timeAxis(),
          {
            ...look(),
            size: 72,
            grid: { show: false },
            splits: () => [0.5, 1.5],
            values: () => ['green', 'blue'],
          },
        ],
        series: [{}, { points: { show: false } }],
        hooks: { draw: [(plot) => paint(plot, current())] },
      };
    },
  };
}

/** One bar for each time that a slot was in one state with one generation. */
function paint(plot: uPlot, { times, slots }: SlotsView): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.textBaseline = 'middle';
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  slots.forEach(({ colour: name, generation, states }, row) => {
    const top = plot.valToPos(2 - row - 0.16, 'y', true);
    const bottom = plot.valToPos(2 - row - 0.84, 'y', true);
    for (let i = 0; i < times.length; ) {
      const from = i;
      while (i < times.length && states[i] === states[from] && generation[i] === generation[from]) i += 1;
      const state = states[from];
      if (state == null) continue;
      const left = plot.valToPos(times[from]!, 'x', true);
      const right = Math.max(left + 2, plot.valToPos(times[Math.min(i, times.length - 1)]!, 'x', true));
      bar(ctx, name, state, left, top, right - left, bottom - top, `${state}, generation ${generation[from] ?? '?'}`);
    }
  });
  ctx.restore();
}

function bar(
  ctx: CanvasRenderingContext2D,
  name: 'blue' | 'green',
  state: string,
  left: number,
  top: number,
  width: number,
  height: number,
  text: string,
): void {
  ctx.strokeStyle = toneOf(name);
  ctx.lineWidth = devicePixelRatio;
  // Full: takes new connections. Hatched: finishes what it has. Outlined: is not ready yet.
  ctx.fillStyle = state === 'accepting' ? hatching(name, 0) : state === 'draining' ? hatching(name, 1) : 'transparent';
  ctx.fillRect(left, top, width, height);
  ctx.strokeRect(left, top, width, height);
  const short = text.split(',')[0]!;
  const fits = [text, short].find((candidate) => ctx.measureText(candidate).width + 12 < width);
  if (fits === undefined) return;
  const middle = top + height / 2;
  const wide = ctx.measureText(fits).width;
  ctx.fillStyle = colour('panel');
  ctx.fillRect(left + 6, middle - 10 * devicePixelRatio, wide + 8, 20 * devicePixelRatio);
  ctx.fillStyle = colour('text');
  ctx.fillText(fits, left + 10, middle);
}
