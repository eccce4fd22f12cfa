/** Dashboards as Grafana reads them, and their queries as its Prometheus data source fills them in and asks them. */

import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../../config/grafana/dashboards/', import.meta.url);

export interface Target {
  refId: string;
  datasource: { uid: string };
  expr: string;
  legendFormat: string;
  /** The least between two points. */
  interval?: string;
  format?: string;
  instant: boolean;
  range: boolean;
}

export interface GrafanaPanel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  collapsed?: boolean;
  panels?: GrafanaPanel[];
  targets?: Target[];
  fieldConfig?: { defaults: { unit: string; links?: { url: string }[] } };
  options?: { yAxis?: { unit: string } };
}

export interface Variable {
  type: string;
  name: string;
  definition?: string;
  query: string | { query: string };
  allValue?: string;
  multi: boolean;
  includeAll: boolean;
}

export interface Dashboard {
  uid: string;
  title: string;
  tags: string[];
  schemaVersion: number;
  panels: GrafanaPanel[];
  templating: { list: Variable[] };
  annotations: { list: { name: string; datasource: { uid: string }; target: Target }[] };
  links: { type: string; tags: string[] }[];
}

/** By file name. */
export const dashboards: ReadonlyMap<string, Dashboard> = new Map(
  readdirSync(folder).map((name) => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Dashboard]),
);

/** Every panel with its row's title before its own; rows themselves not. */
export function panelsOf(dashboard: Dashboard): { name: string; panel: GrafanaPanel }[] {
  let row = '';
  return dashboard.panels.flatMap((panel) => {
    if (panel.type !== 'row') return [{ name: `${row} / ${panel.title}`, panel }];
    row = panel.title;
    return (panel.panels ?? []).map((inside) => ({ name: `${row} / ${inside.title}`, panel: inside }));
  });
}

export interface NamedTarget extends Target {
  /** `fly-edge: Edge / Slots / Flips A`. */
  name: string;
  panel: GrafanaPanel | null;
}

/** Of all panels and annotations. */
export const targetsOf = (dashboard: Dashboard): NamedTarget[] => [
  ...panelsOf(dashboard).flatMap(({ name, panel }) =>
    panel.targets!.map((target) => ({ ...target, panel, name: `${dashboard.title} / ${name} ${target.refId}` })),
  ),
  ...dashboard.annotations.list.map(({ name, target }) => ({
    ...target,
    panel: null,
    name: `${dashboard.title} / annotation ${name}`,
  })),
];

export interface Filling {
  /** Values chosen for each variable; `all`: its allValue. */
  chosen: Record<string, string[]> | 'all';
  /** Seconds: of the time range, between two points, and between two scrapes as the data source is told. */
  range: number;
  step: number;
  scrape: number;
}

/** Fills in variables and macros, as the data source does in the browser (`$app`) and in the server (`$__range`). */
export function fill(text: string, variables: Variable[], { chosen, range, step, scrape }: Filling): string {
  const filled = text.replace(/\$(?!__)(\w+)/g, (whole, name: string) => {
    const variable = variables.find((each) => each.name === name);
    if (variable === undefined) throw new Error(`${whole}: there is no such variable`);
    return chosen === 'all' || chosen[name] === undefined ? variable.allValue! : alternatives(chosen[name]);
  });
  return filled
    .replaceAll('$__rate_interval', goDuration(Math.max(step + scrape, 4 * scrape)))
    .replaceAll('$__interval', `${step}s`)
    .replaceAll('$__range', `${Math.round(range)}s`);
}

/** A variable of several values is escaped for a regular expression within a quoted string. */
function alternatives(values: string[]): string {
  const escaped = values.map((value) =>
    value.replaceAll('\\', '\\\\\\\\').replace(/[$^*{}[\]'+?.()|]/g, (special) => `\\\\${special}`),
  );
  return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`;
}

/** `1m0s`: what Go makes of whole seconds. */
function goDuration(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const first = parts.findIndex((part) => part > 0);
  return parts.map((part, i) => (i < first ? '' : `${part}${'hms'[i]}`)).join('');
}

/** The series and the label of `label_values(SERIES, LABEL)`. */
export function labelValues(variable: Variable): { series: string; label: string } {
  const { query } = variable.query as { query: string };
  const [, series, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(query) ?? [];
  if (series === undefined || label === undefined) throw new Error(`not a query for a label's values: ${query}`);
  return { series, label };
}

/** Labels that a legend names. */
export const placeholders = (legend: string): string[] =>
  [...legend.matchAll(/\{\{\s*(.+?)\s*\}\}/g)].map(([, name]) => name!);
