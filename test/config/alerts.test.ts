/** The alerts of docs/operations.md, as whoever copies them has them. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { seriesOf } from '../../src/dashboards/selectors.ts';

const promtool = '/usr/bin/promtool';

const operations = await readFile('docs/operations.md', 'utf8');
const rules = /## Alerts\n[\s\S]*?```yaml\n([\s\S]*?)```/.exec(operations)![1]!;

test('alerts read series that there are', () => {
  const names = rules.match(/\bfly_\w+/g)!;
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(seriesOf(name), name).toBeDefined();
});

const labels = (instance: string, colour: string, check: string) =>
  `app="shop",region="iad",host="2bc3",instance="${instance}",proxy_id="${colour}",check="${check}"`;
const series = (instance: string, colour: string, check: string, values: string) =>
  `      - { series: 'fly_app_instance_healthy{${labels(instance, colour, check)}}', values: '${values}' }\n`;

test.runIf(existsSync(promtool))(
  'an instance that gets no requests is told, whoever found it, and whichever slot serves',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fly-edge-alerts-'));
    try {
      await writeFile(join(folder, 'rules.yaml'), rules);
      const expected = (instance: string, check: string, what: string) =>
        `          - { exp_labels: { app: shop, region: iad, host: 2bc3, instance: ${instance}, check: ${check} }, exp_annotations: { summary: 'shop/${instance} ${what}' } }\n`;
      await writeFile(
        join(folder, 'tests.yaml'),
        `rule_files: [rules.yaml]
evaluation_interval: 30s
tests:
  - interval: 30s
    input_series:
${series('good', 'blue', 'service', '1x20')}${series('good', 'blue', 'passive', '1x20')}
${series('sick', 'blue', 'service', '1 0x20')}${series('sick', 'blue', 'passive', '1x20')}
${series('out', 'blue', 'service', '1x20')}${series('out', 'blue', 'passive', '1 0x20')}
${series('moved', 'blue', 'service', '0x20')}${series('moved', 'green', 'service', '1x20')}
    alert_rule_test:
      - eval_time: 5m
        alertname: InstanceGetsNoRequests
        exp_alerts:
${expected('sick', 'service', 'fails its checks')}${expected('out', 'passive', 'fails its requests')}
      - { eval_time: 5m, alertname: AppHasNoInstance, exp_alerts: [] }
  - interval: 30s
    input_series:
${series('a', 'blue', 'service', '0x20')}${series('b', 'blue', 'passive', '0x20')}${series('b', 'blue', 'service', '1x20')}
    alert_rule_test:
      - eval_time: 5m
        alertname: AppHasNoInstance
        exp_alerts: [{ exp_labels: { app: shop, region: iad, host: 2bc3 } }]
`.replace(/^\n/gm, ''),
      );
      const { stdout } = await promisify(execFile)(promtool, ['test', 'rules', 'tests.yaml'], { cwd: folder });
      expect(stdout).toContain('SUCCESS');
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
