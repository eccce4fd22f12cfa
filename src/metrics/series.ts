/** Every series of fly-edge and what runs beside it, wherever it is measured: docs, dashboards and page read this list. */

import { type MetricType, metrics } from './catalogue.ts';
import { instanceSeries } from './catalogue-instance.ts';
import { postgresSeries } from './catalogue-postgres.ts';
import { volumeSeries } from './catalogue-volume.ts';
import { labelNames } from './labels.ts';

/** A series that no recorder of ours counts: it is read from somewhere when it is scraped. */
export interface Declared {
  name: string;
  /** Postgres' exporter leaves some untyped. */
  type: MetricType | 'untyped';
  scope: 'instance' | 'volume' | 'postgres';
  /** It is the machine's, whatever the app: it has the labels `region` and `host` alone, before its own. */
  unowned?: boolean;
  /** Labels of its own, after the standard ones. */
  own: readonly string[];
  unit: string;
  help: string;
  source: string;
  /** A PromQL query that one would start from. */
  query: string;
}

export interface SeriesInfo extends Omit<Declared, 'scope' | 'unowned'> {
  scope: Declared['scope'] | (typeof metrics)[number]['scope'];
  /** As the storage tier has them, without `org` and `job`. */
  labels: readonly string[];
}

const standard: Record<Declared['scope'], readonly string[]> = {
  instance: ['app', 'region', 'host', 'instance'],
  volume: ['app', 'region', 'host'],
  postgres: ['app', 'region', 'host', 'instance'],
};

const machineLabels = ['region', 'host'];

export const allSeries: readonly SeriesInfo[] = [
  ...metrics.map((metric) => ({ ...metric, labels: labelNames(metric) })),
  ...[...instanceSeries, ...volumeSeries, ...postgresSeries].map(({ unowned = false, ...declared }: Declared) => ({
    ...declared,
    labels: [...(unowned ? machineLabels : standard[declared.scope]), ...declared.own],
  })),
];
