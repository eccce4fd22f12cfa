import type { Value } from '../model/table.ts';
import type { Line, LinesView } from '../model/view.ts';
import type { Drawing } from './chart.ts';
import { dashOf, hatching, toneOf } from './ink.ts';
import { frame, timeAxis, valueAxis } from './plot.ts';
import { theme } from './theme.ts';
import type uPlot from './uplot.js';

export function linesOptions({ kind, unit, times, lines, logarithmic }: LinesView): Drawing {
  const { data, series, bands } =
    kind === 'stack' ? stack(lines) : { data: lines.map(({ values }) => values), series: lines.map(stroke), bands: [] };
  return {
    shape: JSON.stringify([kind, unit, theme(), lines.map(({ label, tone, pattern }) => [label, tone, pattern])]),
    data: [times, ...(logarithmic ? data.map((values) => values.map(positive)) : data)],
    options: (width, period) => {
      const { x, ...rest } = frame(width, period);
      return {
        ...rest,
        scales: { x, y: logarithmic ? powers : fromZero },
        axes: [timeAxis(), valueAxis(unit)],
        series: [{}, ...series],
        bands,
      };
    },
  };
}

const fromZero: uPlot.Scale = { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] };

/** Whole powers of ten. */
const powers: uPlot.Scale = {
  distr: 3,
  range: (_plot, low, high) =>
    high > 0 ? [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high) + 1e-9)] : [0.001, 1],
};

/** What a logarithmic axis has a place for. */
const positive = (value: Value): Value => (value !== null && value > 0 ? value : null);

const stroke = ({ tone, pattern }: Line): uPlot.Series => ({
  stroke: toneOf(tone),
  width: 1.75,
  dash: dashOf(pattern),
  points: { show: false },
});

const area = ({ tone, pattern }: Line): uPlot.Series => {
  const fill = hatching(tone, pattern);
  return { width: 0, fill: () => fill as unknown as string, points: { show: false } };
};

const edge = ({ tone }: Line): uPlot.Series => ({ stroke: toneOf(tone), width: 1.25, points: { show: false } });

/** All areas first, then their upper edges. */
function stack(lines: readonly Line[]): { data: Value[][]; series: uPlot.Series[]; bands: uPlot.Band[] } {
  const none = lines[0]?.values.map((_, i) => lines.every(({ values }) => values[i] === null)) ?? [];
  let below = none.map(() => 0);
  const sums = lines.map(({ values }) => (below = below.map((sum, i) => sum + (values[i] ?? 0))));
  const edges = lines.map(({ values }, l) => {
    // Where it is 0 for a while it would colour the edge of the one below.
    const something = (i: number) => (values[i] ?? 0) > 0;
    return sums[l]!.map((sum, i) => (something(i - 1) || something(i) || something(i + 1) ? sum : null));
  });
  return {
    data: [...sums.map((values) => values.map((sum, i) => (none[i] ? null : sum))), ...edges],
    series: [...lines.map(area), ...lines.map(edge)],
    // Each area lies between its own sum and the one below.
    bands: lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })),
  };
}
