import type { Value } from '../model/table.ts';
import type { Line, LinesView } from '../model/view.ts';
import type { Drawing } from './chart.ts';
import { dashOf, hatching, toneOf } from './ink.ts';
import { frame, timeAxis, valueAxis } from './plot.ts';
import { theme } from './theme.ts';
import type uPlot from './uplot.js';

export function linesOptions({ kind, unit, times, lines }: LinesView): Drawing {
  const stacked = kind === 'stack';
  return {
    shape: JSON.stringify([kind, unit, theme(), lines.map(({ label, tone, pattern }) => [label, tone, pattern])]),
    data: [times, ...(stacked ? piledUp(lines) : lines.map(({ values }) => values))],
    options: (width, period) => {
      const { x, ...rest } = frame(width, period);
      return {
        ...rest,
        scales: { x, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
        axes: [timeAxis(), valueAxis(unit)],
        series: [{}, ...lines.map((line) => (stacked ? area(line) : stroke(line)))],
        // Each area lies between its own line and the one below.
        ...(stacked && { bands: lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) }),
      };
    },
  };
}

const stroke = ({ tone, pattern }: Line): uPlot.Series => ({
  stroke: toneOf(tone),
  width: 1.75,
  dash: dashOf(pattern),
  points: { show: false },
});

const area = ({ tone, pattern }: Line): uPlot.Series => {
  const fill = hatching(tone, pattern);
  return { stroke: toneOf(tone), width: 1.25, fill: () => fill as unknown as string, points: { show: false } };
};

/** Each line on top of those before it; where all have nothing, nothing. */
function piledUp(lines: readonly Line[]): Value[][] {
  const none = lines[0]?.values.map((_, i) => lines.every(({ values }) => values[i] === null)) ?? [];
  let below = none.map(() => 0);
  return lines.map(({ values }) => {
    below = below.map((sum, i) => sum + (values[i] ?? 0));
    return below.map((sum, i) => (none[i] ? null : sum));
  });
}
