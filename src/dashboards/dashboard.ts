/** A whole dashboard, as Grafana reads it from a file: variables, links, rows, and a place for each panel. */

import type { Annotation, Dashboard, Row as Heading, Variable } from './grafana.ts';
import { datasource, type Panel } from './panel.ts';
import { increase, leastInterval, sum } from './queries.ts';
import { seriesOf } from './selectors.ts';

export interface Row {
  title: string;
  /** Shut until someone opens it. */
  collapsed?: true;
  panels: Panel[];
}

export interface Page {
  /** After `fly-edge-`: its file, and its address. */
  name: string;
  title: string;
  description: string;
  /** Each label of it that gets a variable, narrowed by those before. */
  variables: string[];
  /** A series that everything has that the dashboard shows. */
  variablesFrom: string;
  rows: Row[];
}

/** Grafana 10.3's; newer ones bring it up to date when they read it. */
const schemaVersion = 39;
const columns = 24;

export const dashboard = ({ variables, variablesFrom, rows, ...page }: Page): object => ({
  ...shell(page),
  annotations: { list: [flips] },
  templating: {
    list: [datasourceVariable, ...variables.map((label, i) => variable(label, variables.slice(0, i), variablesFrom))],
  },
  panels: placed(rows),
});

const shell = ({ name, title, description }: Pick<Page, 'name' | 'title' | 'description'>): Dashboard => ({
  uid: `fly-edge-${name}`,
  title,
  description,
  tags: ['fly-edge'],
  schemaVersion,
  editable: true,
  graphTooltip: 1,
  refresh: '30s',
  timezone: '',
  time: { from: 'now-1h', to: 'now' },
  links: [
    {
      type: 'dashboards',
      title: 'fly-edge',
      tooltip: '',
      icon: 'dashboard',
      tags: ['fly-edge'],
      asDropdown: false,
      includeVars: true,
      keepTime: true,
      targetBlank: false,
    },
  ],
});

const flipped = `${sum('host, result', increase('fly_slot_flips_count'))} > 0`;

/** Every dashboard shows when the slots were flipped: what changed then may have changed because of it. */
const flips: Annotation = {
  name: 'Flips',
  enable: true,
  iconColor: 'blue',
  datasource,
  target: {
    refId: 'Flips',
    expr: flipped,
    ...leastInterval(flipped),
    legendFormat: '{{result}}',
    instant: false,
    range: true,
  },
  titleFormat: 'Flip of {{host}}: {{result}}',
  tagKeys: 'host,result',
};

const datasourceVariable: Variable = {
  type: 'datasource',
  name: 'datasource',
  label: 'Data source',
  query: 'prometheus',
  current: { text: 'fly-edge', value: 'fly-edge' },
  hide: 0,
  includeAll: false,
  multi: false,
  refresh: 1,
};

/** @param before the variables that narrow its choice. */
function variable(label: string, before: string[], from: string): Variable {
  const { name } = seriesOf(from);
  const matchers = before.map((each) => `${each}=~"$${each}"`).join(',');
  const query = `label_values(${name}${matchers === '' ? '' : `{${matchers}}`}, ${label})`;
  return {
    type: 'query',
    name: label,
    label: labels[label] ?? label,
    datasource,
    definition: query,
    query: { qryType: 1, query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
    current: { text: ['All'], value: ['$__all'] },
    includeAll: true,
    // All of them, those without the label too: what never named a known app has app="".
    allValue: '.*',
    multi: true,
    // Whenever the time range changes.
    refresh: 2,
    sort: 1,
    hide: 0,
    regex: '',
  };
}

const labels: Record<string, string> = {
  app: 'App',
  region: 'Region',
  host: 'Host',
  instance: 'Instance',
  id: 'Volume',
  datname: 'Database',
};

/** From left to right, line by line. A shut row has its panels inside. */
function placed(rows: Row[]): object[] {
  const all: object[] = [];
  let id = 0;
  let y = 0;
  for (const { title, collapsed = false, panels } of rows) {
    const heading: Heading = { type: 'row', id: ++id, title, collapsed, gridPos: { x: 0, y: y++, w: columns, h: 1 } };
    let top = y;
    let x = 0;
    let height = 0;
    const inside = panels.map(({ width, height: h, ...panel }) => {
      if (x + width > columns) {
        x = 0;
        top += height;
        height = 0;
      }
      const gridPos = { x, y: top, w: width, h };
      x += width;
      height = Math.max(height, h);
      return { id: ++id, ...panel, gridPos };
    });
    all.push({ ...heading, panels: collapsed ? inside : [] }, ...(collapsed ? [] : inside));
    if (!collapsed) y = top + height;
  }
  return all;
}
