import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, folder } from '../../src/dashboards/files.ts';
import { seriesIn } from '../../src/dashboards/selectors.ts';
import { allSeries } from '../../src/metrics/series.ts';
import { dashboards, fill, targetsOf } from '../helpers/grafana.ts';
import { temporaryFolder } from '../supervisor/helpers.ts';

test('the files are what the code makes (npm run dashboards)', () => {
  const written = new Map(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
  expect([...written.keys()].sort()).toEqual([...files().keys()].sort());
  for (const [name, text] of files()) expect(written.get(name), name).toBe(text);
});

test('every series of the catalogue is in some panel', () => {
  const shown = new Set(
    [...dashboards.values()].flatMap(targetsOf).flatMap(({ expr, panel }) => (panel === null ? [] : seriesIn(expr))),
  );
  expect(allSeries.filter((series) => !shown.has(series)).map(({ name }) => name)).toEqual([]);
});

test('a panel says what the catalogue says of its series, and whether it needs MetricsQL', () => {
  for (const { name, expr, panel } of [...dashboards.values()].flatMap(targetsOf)) {
    for (const series of panel === null ? [] : seriesIn(expr)) {
      expect(panel!.description, name).toContain(`\`${series.name}\` (${series.unit})`);
      expect(panel!.description, name).toContain(series.help);
    }
  }
});

const promtool = '/usr/bin/promtool';
const missing = !existsSync(promtool);
if (missing) console.warn(`no query is read by Prometheus: ${promtool} is not installed`);

test.skipIf(missing)('Prometheus reads every query but those that say that they are MetricsQL', () => {
  const folder = temporaryFolder();
  const faults = (queries: string[]): string => {
    const file = join(folder, 'rules.yml');
    const rules = queries.map((query, i) => ({ record: `query:${i}`, expr: query }));
    // YAML reads JSON.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    try {
      execFileSync(promtool, ['check', 'rules', file], { stdio: 'pipe' });
      return '';
    } catch (error) {
      return String((error as { stderr: Buffer }).stderr);
    }
  };
  const plain: string[] = [];
  for (const { templating, ...dashboard } of dashboards.values()) {
    for (const { expr, panel } of targetsOf({ templating, ...dashboard })) {
      const query = fill(expr, templating.list, { chosen: 'all', range: 3600, step: 15, scrape: 15 });
      const metricsql = /histogram_quantiles|histogram_share|(top|bottom)k_avg/.test(expr);
      if (metricsql) {
        expect(panel!.description).toContain('MetricsQL: needs VictoriaMetrics.');
        expect(faults([query]), query).toContain('unknown function');
      } else plain.push(query);
    }
  }
  expect(plain.length).toBeGreaterThan(100);
  expect(faults(plain)).toBe('');
});

test('Grafana is given the folders that there are, and the variables that the data source names', () => {
  const compose = readFileSync('config/compose.yaml', 'utf8');
  const mounts = [...compose.matchAll(/- \.\/(grafana\/\S+?):(\S+?):ro/g)].map(([, from, to]) => [from!, to!]);
  expect(mounts.map(([from]) => from)).toEqual([
    'grafana/provisioning/datasources',
    'grafana/provisioning/dashboards',
    'grafana/dashboards',
  ]);
  for (const [from] of mounts) expect(existsSync(join('config', from!)), from).toBe(true);
  const provider = readFileSync('config/grafana/provisioning/dashboards/fly-edge.yaml', 'utf8');
  expect(provider).toContain(`path: ${mounts[2]![1]}\n`);
  const source = readFileSync('config/grafana/provisioning/datasources/fly-edge.yaml', 'utf8');
  const named = [...source.matchAll(/\$(\w+)/g)].map(([, name]) => name!);
  expect(named).toEqual(['FLY_EDGE_GATEWAY', 'FLY_EDGE_ORG', 'FLY_EDGE_TOKEN']);
  for (const name of named) expect(compose).toMatch(new RegExp(`^      ${name}: `, 'm'));
});
