/**
 * The series of a Postgres exporter beside an instance, as Debian's postgres_exporter 0.11.1 gives them with the flags of
 * docs/postgres.md: most are its own, the others come from config/postgres/queries.yaml (PostgreSQL 17: queries-17.yaml).
 */

import type { Declared } from './series.ts';

type PostgresRow = Omit<Declared, 'scope' | 'query'> & { query?: string };
type Row = (name: string, unit: string, help: string, query?: string) => PostgresRow;

/** The rows of one query of the exporter. Beside their labels it gives all of them `server`, whom it asked. */
const from =
  (type: Declared['type'], source: string, prefix: string, ...labels: string[]): Row =>
  (name, unit, help, query) => ({
    name: `${prefix}_${name}`,
    type,
    own: [...labels, 'server'],
    unit,
    help,
    source,
    ...(query !== undefined && { query }),
  });

const activity = from('gauge', 'postgres_exporter, pg_stat_activity', 'pg_stat_activity', 'datname', 'state');
const archiver = from('counter', 'postgres_exporter, pg_stat_archiver', 'pg_stat_archiver');
const bgwriter = from('counter', 'queries.yaml: pg_stat_bgwriter', 'pg_stat_bgwriter');
const perDatabase = ['postgres_exporter, pg_stat_database', 'pg_stat_database', 'datid', 'datname'] as const;
const database = from('counter', ...perDatabase);
const databaseNow = from('gauge', ...perDatabase);
const conflicts = from(
  'counter',
  'postgres_exporter, pg_stat_database_conflicts',
  'pg_stat_database_conflicts',
  ...['datid', 'datname'],
);
const perReplica = ['application_name', 'client_addr', 'slot_name', 'state'];
const replica = from('gauge', 'postgres_exporter, pg_stat_replication', 'pg_stat_replication', ...perReplica);
const replicaUntyped = from('untyped', 'postgres_exporter, pg_stat_replication', 'pg_stat_replication', ...perReplica);
const replication = from('gauge', 'queries.yaml: pg_replication', 'pg_replication');
const size = from('gauge', 'postgres_exporter, collector database', 'pg_database', 'datname');

const rows: PostgresRow[] = [
  activity(
    'count',
    'connections',
    'Connections by state: active, idle, idle in transaction and so on.',
    'sum by (app, instance, state) (pg_stat_activity_count)',
  ),
  activity(
    'max_tx_duration',
    'seconds',
    'Age of the oldest transaction that is open in a connection of this state.',
    'max by (app, instance, datname) (pg_stat_activity_max_tx_duration) > 300',
  ),
  archiver('archived_count', 'files', 'WAL files that were archived.'),
  archiver(
    'failed_count',
    'attempts',
    'Attempts to archive a WAL file that failed.',
    'increase(pg_stat_archiver_failed_count[1h]) > 0',
  ),
  bgwriter('buffers_alloc', 'buffers', 'Buffers that were allocated.'),
  bgwriter(
    'buffers_backend_fsync',
    'calls',
    'How often a backend had to synchronize a file itself, which the checkpointer is there for.',
  ),
  bgwriter(
    'buffers_backend',
    'buffers',
    'Buffers that backends wrote themselves; from PostgreSQL 17, their write and extend operations on relations.',
  ),
  bgwriter('buffers_checkpoint', 'buffers', 'Buffers that checkpoints wrote.'),
  bgwriter('buffers_clean', 'buffers', 'Buffers that the background writer wrote.'),
  bgwriter('checkpoint_sync_time', 'milliseconds', 'Time that checkpoints spent synchronizing files.'),
  bgwriter('checkpoint_write_time', 'milliseconds', 'Time that checkpoints spent writing files.'),
  bgwriter(
    'checkpoints_req',
    'checkpoints',
    'Checkpoints that were asked for, or due by the amount of WAL: many say that max_wal_size is small.',
  ),
  bgwriter('checkpoints_timed', 'checkpoints', 'Checkpoints that were due by time.'),
  bgwriter(
    'maxwritten_clean',
    'events',
    'How often the background writer stopped a round since it had written too many buffers.',
  ),
  bgwriter(
    'stats_reset',
    'seconds since 1970',
    'When the statistics of the background writer were last reset. A time, though its type is counter.',
    'time() - pg_stat_bgwriter_stats_reset',
  ),
  database('blk_read_time', 'milliseconds', 'Time that backends spent reading blocks; 0 unless track_io_timing is on.'),
  database(
    'blk_write_time',
    'milliseconds',
    'Time that backends spent writing blocks; 0 unless track_io_timing is on.',
  ),
  database(
    'blks_hit',
    'blocks',
    'Blocks that were found in the buffer cache.',
    'sum by (app, instance, datname) (rate(pg_stat_database_blks_hit[5m])) / sum by (app, instance, datname) (rate(pg_stat_database_blks_hit[5m]) + rate(pg_stat_database_blks_read[5m]))',
  ),
  database('blks_read', 'blocks', 'Blocks that were not in the buffer cache, and were read from the system.'),
  conflicts('confl_bufferpin', 'queries', 'Queries on a replica that were cancelled for pinned buffers.'),
  conflicts('confl_deadlock', 'queries', 'Queries on a replica that were cancelled for deadlocks.'),
  conflicts('confl_lock', 'queries', 'Queries on a replica that were cancelled for lock timeouts.'),
  conflicts('confl_snapshot', 'queries', 'Queries on a replica that were cancelled for old snapshots.'),
  conflicts('confl_tablespace', 'queries', 'Queries on a replica that were cancelled for dropped tablespaces.'),
  database('conflicts', 'queries', 'Queries on a replica that were cancelled since they stood in the way of replay.'),
  database('deadlocks', 'deadlocks', 'Deadlocks that were found.'),
  databaseNow(
    'numbackends',
    'connections',
    'Backends that are connected to the database now.',
    'sum by (app, instance) (pg_stat_database_numbackends)',
  ),
  database(
    'stats_reset',
    'seconds since 1970',
    'When the statistics of the database were last reset, NaN if never. A time, though its type is counter.',
    'time() - pg_stat_database_stats_reset',
  ),
  database('tup_deleted', 'rows', 'Rows that were deleted.'),
  database('tup_fetched', 'rows', 'Rows that index scans fetched.'),
  database('tup_inserted', 'rows', 'Rows that were inserted.'),
  database('tup_returned', 'rows', 'Rows that sequential scans fetched, and index entries that index scans returned.'),
  database('tup_updated', 'rows', 'Rows that were updated.'),
  database(
    'xact_commit',
    'transactions',
    'Transactions that were committed.',
    'sum by (app, instance, datname) (rate(pg_stat_database_xact_commit[5m]))',
  ),
  database('xact_rollback', 'transactions', 'Transactions that were rolled back.'),
  replica(
    'pg_current_wal_lsn_bytes',
    'bytes',
    'Position of the primary in its WAL; on a primary that has a replica, once for each.',
    'rate(pg_stat_replication_pg_current_wal_lsn_bytes[5m])',
  ),
  replica(
    'pg_wal_lsn_diff',
    'bytes',
    'WAL that the replica has not replayed yet; on the primary.',
    'max by (app, instance, application_name) (pg_stat_replication_pg_wal_lsn_diff)',
  ),
  replicaUntyped(
    'reply_time',
    'seconds since 1970',
    'When the replica sent its last reply, by its own clock; on the primary.',
    'time() - pg_stat_replication_reply_time',
  ),
  replication('lag', 'seconds', 'How far a replica is behind; 0 on a primary.', 'pg_replication_lag > 30'),
  size('size_bytes', 'bytes', 'Size of the database on disk.', 'sum by (app, instance) (pg_database_size_bytes)'),
];

export const postgresSeries: readonly Declared[] = rows.map((row) => ({
  ...row,
  scope: 'postgres',
  query: row.query ?? `sum by (app, instance) (rate(${row.name}[5m]))`,
}));
