/** The catalogue's units in Grafana's terms. */

import type { SeriesInfo } from '../metrics/series.ts';

interface Unit {
  /** Grafana's unit of a value, and of its rate. */
  value: string;
  rate: string;
  /** What a value is multiplied by, to be in that unit. */
  factor?: string;
}

const units: Readonly<Record<string, Unit>> = {
  bytes: { value: 'bytes', rate: 'binBps' },
  seconds: { value: 's', rate: 'percentunit' },
  milliseconds: { value: 's', rate: 'percentunit', factor: '/ 1000' },
  centiseconds: { value: 's', rate: 'percentunit', factor: '/ 100' },
  '512-byte sectors': { value: 'bytes', rate: 'binBps', factor: '* 512' },
  'percent 0-100': { value: 'percent', rate: 'short' },
  responses: { value: 'short', rate: 'reqps' },
  operations: { value: 'short', rate: 'iops' },
  packets: { value: 'short', rate: 'pps' },
  errors: { value: 'short', rate: 'eps' },
  events: { value: 'short', rate: 'eps' },
};

/** Plain numbers, and so many of them a second. */
const number: Unit = { value: 'short', rate: 'cps' };

const unitOf = ({ unit }: SeriesInfo): Unit => units[unit] ?? number;

export const valueUnit = (series: SeriesInfo): string => unitOf(series).value;

export const rateUnit = (series: SeriesInfo): string => unitOf(series).rate;

/** An expression of a series' own unit, in Grafana's. */
export function converted(series: SeriesInfo, expression: string): string {
  const { factor } = unitOf(series);
  return factor === undefined ? expression : `${expression} ${factor}`;
}
