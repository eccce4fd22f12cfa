import type { Unit } from './format.ts';
import { linesOf, type Panel } from './panel.ts';
import type { Expression } from './read.ts';

const noPostgres = 'No Postgres. Its exporter stands beside an instance, which edge.toml names under `exporters`.';

function postgres(
  id: string,
  title: string,
  help: string,
  unit: Unit,
  by: string,
  promql: Expression['promql'],
): Panel {
  return {
    id,
    title,
    help,
    reads: { rows: { promql, by: [by], top: 8 } },
    empty: noPostgres,
    view: ({ rows }) => ({ kind: 'lines', unit, times: rows!.times, lines: linesOf(rows!.rows, by) }),
  };
}

export const postgresPanels: readonly Panel[] = [
  postgres(
    'pg-connections',
    'Postgres connections',
    'By what they do.',
    'count',
    'state',
    (where) => `sum by (state) (pg_stat_activity_count{${where}})`,
  ),
  postgres(
    'pg-transactions',
    'Postgres transactions',
    'Committed and rolled back, by database.',
    'per second',
    'datname',
    (where, window) =>
      `sum by (datname) (rate(pg_stat_database_xact_commit{datname!="",${where}}[${window}])) + sum by (datname) (rate(pg_stat_database_xact_rollback{datname!="",${where}}[${window}]))`,
  ),
  postgres(
    'pg-cache',
    'Postgres cache hits',
    'Blocks that were in the buffer cache, of all that were asked for.',
    'ratio',
    'datname',
    (where, window) => {
      const rate = (name: string) => `sum by (datname) (rate(${name}{datname!="",${where}}[${window}]))`;
      const [hit, read] = [rate('pg_stat_database_blks_hit'), rate('pg_stat_database_blks_read')];
      return `${hit} / (${hit} + ${read})`;
    },
  ),
  postgres(
    'pg-deadlocks',
    'Postgres deadlocks',
    'By database.',
    'per second',
    'datname',
    (where, window) => `sum by (datname) (rate(pg_stat_database_deadlocks{datname!="",${where}}[${window}]))`,
  ),
  postgres(
    'pg-size',
    'Postgres size',
    'Of each database, on disk.',
    'bytes',
    'datname',
    (where) => `max by (datname) (pg_database_size_bytes{${where}})`,
  ),
  postgres(
    'pg-lag',
    'Postgres replication lag',
    'How far a replica is behind; 0 on a primary.',
    'seconds',
    'instance',
    (where) => `max by (instance) (pg_replication_lag{${where}})`,
  ),
];
