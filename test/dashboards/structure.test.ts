/** What Grafana needs of a dashboard's file, and does not say when it is missing. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { seriesOf } from '../../src/dashboards/selectors.ts';
import { type Dashboard, dashboards, type GrafanaPanel, labelValues, panelsOf, targetsOf } from '../helpers/grafana.ts';

/** https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/#unit */
const units = 'none short percent percentunit s bytes binBps reqps cps eps ops iops pps rowsps'.split(' ');
const types = ['timeseries', 'stat', 'heatmap', 'table', 'state-timeline'];
const variableLabels = ['app', 'region', 'host', 'instance', 'id', 'datname'];

/** Counters whose value itself is shown: both sides of a difference, and moments. */
const asTheyAre = /_tcp_(dis)?connects_count$|_stats_reset$/;

const selectors = (expression: string): [whole: string, name: string, matchers: string, after: string][] =>
  [...expression.matchAll(/\b((?:fly|pg)_\w+)(\{[^}]*\})(\[?)/g)].map(([whole, name, matchers, after]) => [
    whole,
    name!,
    matchers!,
    after!,
  ]);

test('five dashboards, each with an address and a title of its own', () => {
  const all = [...dashboards.values()];
  expect(all.map(({ uid }) => uid)).toEqual(
    ['app', 'edge', 'instance', 'postgres', 'volumes'].map((name) => `fly-edge-${name}`),
  );
  expect(new Set(all.map(({ title }) => title)).size).toBe(5);
});

describe.each([...dashboards])('%s', (_name, dashboard: Dashboard) => {
  const variables = dashboard.templating.list;
  const panels = panelsOf(dashboard);
  const targets = targetsOf(dashboard);

  test('is found by the others, and finds them', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.tags).toEqual(['fly-edge']);
    expect(dashboard.links).toMatchObject([
      { type: 'dashboards', tags: ['fly-edge'], includeVars: true, keepTime: true },
    ]);
    for (const { panel } of panels) {
      for (const { url } of panel.fieldConfig!.defaults.links ?? []) {
        const uid = /^\/d\/([\w-]+)\?/.exec(url)?.[1];
        expect([...dashboards.values()].map((each) => each.uid)).toContain(uid);
      }
    }
  });

  test('panels have an id and a place each, within 24 columns', () => {
    const all = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    for (const { gridPos, title } of all) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      expect(gridPos.h * gridPos.w, title).toBeGreaterThan(0);
    }
    expect(overlaps(dashboard.panels)).toEqual([]);
    for (const row of dashboard.panels.filter(({ type }) => type === 'row')) {
      // Grafana shows a row's own panels only while it is shut.
      expect(row.panels!.length > 0, row.title).toBe(row.collapsed);
      expect(overlaps(row.panels!)).toEqual([]);
    }
    for (const { name, panel } of panels) expect(types, name).toContain(panel.type);
  });

  test('variables: the data source first, then each narrowed by all before it', () => {
    const [source, ...labels] = variables;
    expect(source).toMatchObject({ type: 'datasource', name: 'datasource', query: 'prometheus' });
    labels.forEach((variable, i) => {
      expect(variable).toMatchObject({ type: 'query', multi: true, includeAll: true, allValue: '.*' });
      const { series, label } = labelValues(variable);
      expect(label).toBe(variable.name);
      const before = labels.slice(0, i).map(({ name }) => `${name}=~"$${name}"`);
      const matchers = before.length === 0 ? '' : `{${before.join(',')}}`;
      expect(series).toMatch(/^(fly|pg)_\w+(\{|$)/);
      expect(series.replace(/^\w+/, '')).toBe(matchers);
      for (const name of [...labels.slice(0, i).map((each) => each.name), label]) {
        expect(seriesOf(series.replace(/\{.*/, '')).labels).toContain(name);
      }
    });
  });

  test('everything asks the chosen data source', () => {
    const uids = [
      ...panels.map(({ panel }) => panel.datasource!.uid),
      ...targets.map(({ datasource }) => datasource?.uid),
      ...dashboard.annotations.list.map(({ datasource }) => datasource.uid),
    ].filter((uid) => uid !== undefined);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as it stands in the file.
    expect([...new Set(uids)]).toEqual(['${datasource}']);
  });

  test('every selector has the variables that its series has labels for', () => {
    const known = variables.map(({ name }) => name);
    for (const { name, expr } of targets) {
      expect(selectors(expr).length, name).toBeGreaterThan(0);
      for (const [whole, metric, matchers] of selectors(expr)) {
        for (const label of variableLabels.filter((each) => seriesOf(metric).labels.includes(each))) {
          expect(known, `${name}: ${whole}`).toContain(label);
          expect(matchers, `${name}: ${whole}`).toContain(`${label}=~"$${label}"`);
        }
      }
      const rest = selectors(expr).reduce((text, [whole]) => text.replace(whole, ''), expr);
      expect(rest, name).not.toMatch(/\b(fly|pg)_/);
      expect(rest.match(/\$\w+/g) ?? [], name).not.toContainEqual(
        expect.not.stringMatching(/^\$__(rate_interval|interval|range)$/),
      );
    }
  });

  test('counters are shown as rates and increases', () => {
    for (const { name, expr } of targets) {
      for (const [whole, metric, , after] of selectors(expr)) {
        if (seriesOf(metric).type === 'gauge' || asTheyAre.test(metric)) continue;
        if (seriesOf(metric).type === 'untyped') continue;
        expect(after, `${name}: ${whole}`).toBe('[');
      }
    }
  });

  test('what is counted between two points has several scrapes there', () => {
    for (const { name, expr, interval } of targets) {
      expect(interval, name).toBe(expr.includes('$__interval') ? '1m' : undefined);
      if (/\bincrease\(/.test(expr)) expect(expr, name).toMatch(/\[\$__(interval|range)\]/);
    }
  });

  test('queries have a letter, a form and a legend each', () => {
    for (const { name, panel } of panels) {
      const letters = panel.targets!.map(({ refId }) => refId);
      expect(letters, name).toEqual([...'ABCDEFGH'].slice(0, letters.length));
      for (const { legendFormat, format, instant, range } of panel.targets!) {
        expect(range, name).toBe(!instant);
        expect(format, name).toBe(
          panel.type === 'table' ? 'table' : panel.type === 'heatmap' ? 'heatmap' : 'time_series',
        );
        if (panel.type !== 'table') expect(legendFormat, name).not.toBe('');
      }
      const legends = panel.targets!.map(({ legendFormat }) => legendFormat);
      expect(new Set(legends).size, name).toBe(legends.length);
      expect(units, name).toContain(panel.fieldConfig!.defaults.unit);
      expect(panel.title, name).not.toBe('');
      expect(panel.description, name).not.toBe('');
    }
  });
});

function overlaps(panels: GrafanaPanel[]): string[] {
  const taken = new Map<string, string>();
  const found: string[] = [];
  for (const { title, gridPos } of panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const other = taken.get(`${x},${y}`);
        if (other !== undefined) found.push(`${title} and ${other}`);
        taken.set(`${x},${y}`, title);
      }
    }
  }
  return found;
}

test('the README counts them as they are', () => {
  const panels = [...dashboards.values()].flatMap((dashboard) => panelsOf(dashboard)).length;
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(`five dashboards with ${panels} panels`);
});
