/** What a worker tells of its series: in a process of its own, it counts; the supervisor adds up. */

export type Colour = 'blue' | 'green';

/** A series that a worker has made: its first index, its size in values, and what it is called. */
export interface SeriesDefinition {
  index: number;
  size: number;
  /** Its name in the catalogue; a position from a process of 0.1, see `metricTold`. */
  metric: string | number;
  /** Values of the metric's own labels, in the catalogue's order; region, host and proxy_id are the supervisor's. */
  labels: string[];
}

/** Increments since the last one: values[indexes[i]] grew by amounts[i]. Gauges too: their sum is their value. */
export interface Counts {
  definitions: SeriesDefinition[];
  indexes: Uint32Array;
  amounts: Float64Array;
}
