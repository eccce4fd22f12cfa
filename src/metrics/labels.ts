/** Labels as the text format writes them, in the order that docs/metrics.md lists. */

import type { Colour } from '../base/counts.ts';
import type { Metric } from './catalogue.ts';

/** The labels that are the same on every series of a machine. */
export interface Machine {
  region: string;
  host: string;
}

const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' };

export const escapeLabel = (value: string): string => value.replace(/[\\\n"]/g, (c) => escapes[c]);

/** Standard labels between app [, instance] and a metric's own: `[app,]region,host[,instance],proxy_id[,own …]`. */
export function labelNames(metric: Metric): string[] {
  const [app, ...instance] = metric.labels.slice(0, metric.labels.length - metric.own.length);
  return [...(app === undefined ? [] : [app]), 'region', 'host', ...instance, 'proxy_id', ...metric.own];
}

/** The bytes of a line on a page, about: its value and what a histogram adds are those of a middling one. */
export function lineBytes(metric: Metric, values: readonly string[], { region, host }: Machine): number {
  const [names, ends] = [labelNames(metric), metric.type === 'histogram' ? 24 : 8];
  const quoted = names.reduce((sum, name) => sum + name.length + 4, 0);
  const own = values.reduce((sum, value) => sum + value.length, 0);
  return metric.name.length + quoted + own + region.length + host.length + 'green'.length + ends;
}

/** `app="demo",region="iad",…`, without braces. @param values as the recorder gives them. */
export function labelText(metric: Metric, values: readonly string[], machine: Machine, colour: Colour): string {
  const known: Record<string, string> = { ...machine, proxy_id: colour };
  return labelNames(metric)
    .map((name) => `${name}="${escapeLabel(known[name] ?? values[metric.labels.indexOf(name)])}"`)
    .join(',');
}
