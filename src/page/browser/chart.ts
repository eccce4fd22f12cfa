/** A chart: drawn anew with new data, and built anew when its lines or colours have changed. */

import type { View } from '../model/view.ts';
import { heatOptions } from './heat-chart.ts';
import { linesOptions } from './lines-chart.ts';
import { height, type Period } from './plot.ts';
import { slotsOptions } from './slots-chart.ts';
import uPlot from './uplot.js';

export type ChartView = Exclude<View, { kind: 'limits' }>;

/** How a view becomes a plot. */
export interface Drawing {
  /** What it takes to keep the plot and change its data alone. */
  shape: string;
  options: (width: number, period: () => Period) => uPlot.Options;
  data: uPlot.AlignedData;
}

export class Chart {
  readonly #place: HTMLElement;
  readonly #pointed: (index: number | null) => void;
  #plot: uPlot | null = null;
  #shape = '';
  #period: Period = { from: 0, to: 1 };
  /** For what draws itself: the latest. */
  #view: ChartView | null = null;

  /** @param pointed called with the index of the time that the pointer is at; null: at none. */
  constructor(place: HTMLElement, pointed: (index: number | null) => void) {
    this.#place = place;
    this.#pointed = pointed;
    new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width > 0 && this.#plot !== null && this.#plot.width !== width) this.#plot.setSize({ width, height });
    }).observe(place);
  }

  draw(view: ChartView, period: Period): void {
    this.#view = view;
    this.#period = period;
    const { shape, options, data } = this.#drawing(view);
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot !== null && this.#shape === shape) return void this.#plot.setData(data);
    this.clear();
    this.#shape = shape;
    const made = options(width, () => this.#period);
    made.hooks = { ...made.hooks, setCursor: [(plot) => this.#pointed(plot.cursor.idx ?? null)] };
    this.#plot = new uPlot(made, data, this.#place);
  }

  clear(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #drawing(view: ChartView): Drawing {
    switch (view.kind) {
      case 'lines':
      case 'stack':
        return linesOptions(view);
      case 'heat':
        return heatOptions(view, () => this.#view as typeof view);
      case 'slots':
        return slotsOptions(view, () => this.#view as typeof view);
    }
  }
}
