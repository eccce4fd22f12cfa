/** The list of `pg_*` series, the queries file and docs/postgres.md say the same. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { postgresSeries } from '../../src/metrics/catalogue-postgres.ts';
import { missingPostgres, Postgres } from '../helpers/postgres.ts';
import { exporterFlags, queriesFlag } from '../helpers/postgres-exporter.ts';

vi.setConfig({ hookTimeout: 60_000 });

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const document = read('docs/postgres.md');
const queriesTo16 = read('config/postgres/queries.yaml');
const queriesFrom17 = read('config/postgres/queries-17.yaml');

/** The SQL, and the columns that become metrics, of a query of such a file. */
function query(file: string, name: string): { sql: string; columns: string[] } {
  const [, block] = new RegExp(`^${name}:\\n((?:(?: .*)?\\n)+)`, 'm').exec(file)!;
  const [, sql] = /query: \|\n((?: {4}.*\n)+)/.exec(block!)!;
  return { sql: sql!, columns: [...block!.matchAll(/^ {4}- (\w+):/gm)].map(([, column]) => column!) };
}

test('each name once', () => {
  const names = postgresSeries.map(({ name }) => name);
  expect(new Set(names).size).toBe(40);
  expect(names).toHaveLength(40);
  for (const { name, query } of postgresSeries) expect(query).toContain(name);
});

test.each([
  ['16 and older', queriesTo16],
  ['17 and newer', queriesFrom17],
])('the queries for PostgreSQL %s give the names that the exporter does not', (_, file) => {
  const wanted = postgresSeries.filter(({ source }) => source.startsWith('queries.yaml')).map(({ name }) => name);
  const given = (name: string) => query(file, name).columns.map((column) => `${name}_${column}`);
  expect([...given('pg_replication'), ...given('pg_stat_bgwriter')].sort()).toEqual([...wanted].sort());
});

test('docs/postgres.md lists each name with its source, and the flags that are tested', () => {
  for (const { name, type, unit, own, source } of postgresSeries)
    expect(document).toContain(`| \`${name}\` | ${type} | ${unit} | ${own.join(', ')} | ${source} |\n`);
  for (const flag of [...exporterFlags, queriesFlag]) expect(document).toContain(flag);
});

const missing = missingPostgres();
if (missing !== null) console.warn(`the queries for PostgreSQL 17 are not tried: ${missing}`);

describe.skipIf(missing !== null)('the query for PostgreSQL 17, on views of its shape', () => {
  let postgres: Postgres;

  beforeAll(async () => {
    postgres = await Postgres.start((await freePorts(1))[0]!);
    // Columns as PostgreSQL 17 documents them, filled with what 15 knows.
    postgres.query(`
      create schema seventeen;
      create view seventeen.pg_stat_checkpointer as select checkpoints_timed as num_timed,
        checkpoints_req as num_requested, checkpoint_write_time as write_time, checkpoint_sync_time as sync_time,
        buffers_checkpoint as buffers_written, stats_reset from pg_catalog.pg_stat_bgwriter;
      create view seventeen.pg_stat_bgwriter as select buffers_clean, maxwritten_clean, buffers_alloc, stats_reset
        from pg_catalog.pg_stat_bgwriter;
      create table seventeen.pg_stat_io (backend_type text, object text, context text, writes bigint, extends bigint,
        fsyncs bigint);
      insert into seventeen.pg_stat_io values
        ('client backend', 'relation', 'normal', 5, 7, 2), ('autovacuum worker', 'relation', 'vacuum', 1, null, 1),
        ('client backend', 'temp relation', 'normal', 100, 100, null), ('checkpointer', 'relation', 'normal', 100, 100, 100),
        ('background writer', 'relation', 'normal', 100, 100, 100), ('client backend', 'wal', 'normal', 100, null, 100);`);
  });
  afterAll(() => postgres?.stop());

  test('gives the columns of the old one, and the same numbers', () => {
    const row = (file: string, path: string) => {
      const { sql } = query(file, 'pg_stat_bgwriter');
      const [json] = postgres.query(`set search_path = ${path}; select row_to_json(q) from (${sql}) q`);
      return JSON.parse(json!) as Record<string, unknown>;
    };
    const old = row(queriesTo16, 'pg_catalog');
    const now = row(queriesFrom17, 'seventeen, pg_catalog');
    expect(Object.keys(now).sort()).toEqual(Object.keys(old).sort());
    expect(now).toMatchObject({ buffers_backend: 13, buffers_backend_fsync: 3 });
    for (const column of [
      'checkpoints_timed',
      'checkpoints_req',
      'buffers_checkpoint',
      'maxwritten_clean',
      'stats_reset',
    ])
      expect(now[column]).toEqual(old[column]);
  });
});
