import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { edgeFile } from '../../src/config/edge-file.ts';
import { flyFile } from '../../src/config/fly-file.ts';
import { limitNames, limits, snakeCase } from '../../src/config/limits.ts';
import { loadPlan } from '../../src/config/load.ts';

const [configuration, sample] = await Promise.all(
  ['docs/configuration.md', 'config/edge.toml'].map((file) => readFile(file, 'utf8')),
);

/** `apps.instances.id` and so on: every key of a schema, without the tables themselves. */
function keysOf(schema: z.core.$ZodType, prefix = ''): string[] {
  const { def } = schema as z.ZodType & {
    def: { innerType?: z.core.$ZodType; element?: z.core.$ZodType; out?: z.core.$ZodType; shape?: object };
  };
  if (def.innerType !== undefined) return keysOf(def.innerType, prefix);
  if (def.element !== undefined && hasShape(def.element)) return keysOf(def.element, prefix);
  if (def.out !== undefined && hasShape(def.out)) return keysOf(def.out, prefix);
  if (def.shape === undefined) return [prefix];
  return Object.entries(def.shape).flatMap(([key, value]) => keysOf(value, prefix === '' ? key : `${prefix}.${key}`));
}

const hasShape = (schema: z.core.$ZodType): boolean => 'shape' in schema._zod.def;

const [edgeSection, flySection] = configuration.split('## fly.toml');
const edgeKeys = keysOf(edgeFile).map((key) => key.replace(/^limits\./, ''));
/** As the documentation names them: under headings for services, ports, checks and metrics. */
const section =
  /^(services\.(ports|tcp_checks|http_checks)|http_service\.(checks|tcp_checks)|http_service|services|metrics)\./;
const flyKeys = new Set(keysOf(flyFile).map((key) => key.replace(section, '')));

test.each(edgeKeys)("docs/configuration.md explains edge.toml's %s", (key) => {
  expect(edgeSection).toContain(`\`${key}\``);
});

test.each([...flyKeys])("docs/configuration.md explains fly.toml's %s", (key) => {
  expect(flySection).toContain(`\`${key}\``);
});

/** One row of the table of limits in the documentation. */
function rowOf(name: (typeof limitNames)[number]): string {
  const { default: value, unit, reason } = limits[name];
  return `| \`${snakeCase(name)}\` | ${unit === 'duration' ? durationOf(value) : value} | ${reason} |`;
}

const durationOf = (value: number): string =>
  value % 3_600_000 === 0 ? `"${value / 3_600_000}h"` : value % 1000 === 0 ? `"${value / 1000}s"` : `"${value}ms"`;

test('docs/configuration.md has the limits and reasons of the code', () => {
  const lines = edgeSection.split('\n').map((line) => line.replace(/ +/g, ' '));
  const rows = lines.filter((line) => /^\| `[a-z_]+` \| ("\w+"|\d+) \| [A-Z]/.test(line));
  expect(rows).toEqual(limitNames.map(rowOf));
});

test('the sample is without faults and warnings, on loopback ports above 1023', async () => {
  const { plan, faults, warnings } = await loadPlan('config/edge.toml');
  expect([...faults, ...warnings]).toEqual([]);
  expect(plan!.listeners.map(({ key }) => key)).toEqual(['127.0.0.1:8080', '127.0.0.1:8443']);
  expect(plan!.apps[0].services[0].upstreams.map(({ port }) => port)).toEqual([3001, 3002]);
});

test('the sample names every section of edge.toml', () => {
  for (const key of Object.keys(edgeFile.shape))
    expect(sample).toMatch(new RegExp(`^(# )?(\\[+${key}\\]|${key} =)`, 'm'));
});
