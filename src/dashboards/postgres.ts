/** PostgreSQL as its exporter tells of it: who is there, what they do, from where it is read, how it gets to disk and to replicas. */

import type { Page } from './dashboard.ts';
import type { PanelOptions } from './panel.ts';
import { plain, stat, timeseries } from './panels.ts';
import { type Query, rate, sum, sumOfRates } from './queries.ts';
import { of } from './selectors.ts';

const database = (field: string): string => `pg_stat_database_${field}`;
const writer = (field: string): string => `pg_stat_bgwriter_${field}`;
const replication = (field: string): string => `pg_stat_replication_${field}`;

const each = 'instance, datname';
const legend = '{{instance}} {{datname}}';

const replica = '{{instance}} {{application_name}}';
const perReplica = (expr: string): string => `max by (instance, application_name) (${expr})`;

/** Found in memory, among all blocks that were asked for. */
const hits = (labels: string): string => {
  const hit = sum(labels, rate(database('blks_hit')));
  return `${hit} / (${hit} + ${sum(labels, rate(database('blks_read')))} > 0)`;
};

/** One line for each of some counters. */
const counters = (labels: string, shown: string, names: string[], prefix: RegExp): Query[] =>
  names.map((name) => ({
    expr: sumOfRates(labels, name),
    legend: `${shown} ${name.replace(prefix, '').replaceAll('_', ' ')}`,
  }));

const ofDatabase = (...fields: string[]): Query[] =>
  counters(each, legend, fields.map(database), /^pg_stat_database_(tup_|xact_|conflicts_confl_|blk_)?/);

const ofWriter = (...fields: string[]): Query[] =>
  counters('instance', '{{instance}}', fields.map(writer), /^pg_stat_bgwriter_(buffers_|checkpoints?_)?/);

const pages: PanelOptions = { unit: 'cps', min: 0, text: 'Buffers a second.' };
const timeShare: PanelOptions = { unit: 'percentunit', min: 0, text: 'Time spent with it, each second.' };

/** How long ago a time was that is told in seconds since 1970. */
const since = (name: string, labels: string): string => `time() - max by (${labels}) (${of(name)})`;

export const postgres: Page = {
  name: 'postgres',
  title: 'fly-edge: Postgres',
  description: 'What the exporters beside PostgreSQL say.',
  variables: ['app', 'region', 'host', 'instance', 'datname'],
  variablesFrom: 'pg_stat_database_numbackends',
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Connections', { expr: sum('', of(database('numbackends'))) }, { unit: 'short' }),
        stat(
          'Transactions',
          { expr: `${sum('', rate(database('xact_commit')))} + ${sum('', rate(database('xact_rollback')))}` },
          { unit: 'ops' },
        ),
        stat('Found in memory', { expr: hits('') }, { unit: 'percentunit' }),
        stat('Size', { expr: sum('', of('pg_database_size_bytes')) }, { unit: 'bytes' }),
        stat('Replication lag', { expr: `max(${of('pg_replication_lag')})` }, { unit: 's', from: [10, 60] }),
        stat(
          'Deadlocks',
          { expr: `sum(increase(${of(database('deadlocks'))}[$__range]))` },
          {
            unit: 'short',
            from: [1, 10],
            text: 'In this time range.',
          },
        ),
      ],
    },
    {
      title: 'Activity',
      panels: [
        timeseries(
          'Connections by state',
          [{ expr: sum('state', of('pg_stat_activity_count')), legend: '{{state}}' }],
          { unit: 'short', stack: true, min: 0 },
        ),
        timeseries('Transactions', ofDatabase('xact_commit', 'xact_rollback'), { unit: 'ops', min: 0 }),
        timeseries(
          'Longest transaction',
          [
            {
              expr: `max by (${each}, state) (${of('pg_stat_activity_max_tx_duration')})`,
              legend: `${legend} {{state}}`,
            },
          ],
          { unit: 's', min: 0 },
        ),
        timeseries('Connections by database', [{ expr: sum(each, of(database('numbackends'))), legend }], {
          unit: 'short',
          min: 0,
          width: 12,
        }),
        timeseries('Size', [{ expr: sum(each, of('pg_database_size_bytes')), legend }], {
          unit: 'bytes',
          min: 0,
          width: 12,
        }),
      ],
    },
    {
      title: 'Rows and blocks',
      panels: [
        timeseries('Rows read', ofDatabase('tup_returned', 'tup_fetched'), { unit: 'rowsps', min: 0 }),
        timeseries('Rows written', ofDatabase('tup_inserted', 'tup_updated', 'tup_deleted'), {
          unit: 'rowsps',
          min: 0,
        }),
        timeseries('Found in memory', [{ expr: hits(each), legend }], { unit: 'percentunit', max: 1 }),
        timeseries('Blocks', ofDatabase('blks_hit', 'blks_read'), { unit: 'cps', min: 0, width: 12 }),
        timeseries(
          'Waiting for blocks',
          ['blk_read_time', 'blk_write_time'].map((field) => ({
            expr: `${sum(each, rate(database(field)))} / 1000`,
            legend: `${legend} ${field.replaceAll('_', ' ')}`,
          })),
          { ...timeShare, width: 12 },
        ),
      ],
    },
    {
      title: 'Checkpoints and background writer',
      panels: [
        timeseries('Checkpoints', ofWriter('checkpoints_timed', 'checkpoints_req'), { unit: 'ops', min: 0 }),
        timeseries(
          'Checkpoint time',
          ['checkpoint_write_time', 'checkpoint_sync_time'].map((field) => ({
            expr: `${sum('instance', rate(writer(field)))} / 1000`,
            legend: `{{instance}} ${field.replaceAll('_', ' ')}`,
          })),
          timeShare,
        ),
        timeseries('Buffers written by', ofWriter('buffers_checkpoint', 'buffers_clean', 'buffers_backend'), {
          ...pages,
          stack: true,
        }),
      ],
    },
    {
      title: 'Conflicts and deadlocks',
      panels: [
        timeseries('Conflicts and deadlocks', ofDatabase('conflicts', 'deadlocks'), { unit: 'ops', min: 0, width: 12 }),
        timeseries(
          'Conflicts by reason',
          ofDatabase(
            ...['bufferpin', 'deadlock', 'lock', 'snapshot', 'tablespace'].map((why) => `conflicts_confl_${why}`),
          ),
          { unit: 'ops', min: 0, width: 12, text: 'Queries on a replica that were cancelled for it.' },
        ),
      ],
    },
    {
      title: 'Archive and replication',
      panels: [
        timeseries(
          'WAL files archived',
          counters(
            'instance',
            '{{instance}}',
            ['pg_stat_archiver_archived_count', 'pg_stat_archiver_failed_count'],
            /^pg_stat_archiver_/,
          ),
          {
            unit: 'ops',
            min: 0,
          },
        ),
        timeseries('Lag', [{ expr: `max by (instance) (${of('pg_replication_lag')})`, legend: '{{instance}}' }], {
          unit: 's',
          min: 0,
        }),
        timeseries('Behind the primary', [{ expr: perReplica(of(replication('pg_wal_lsn_diff'))), legend: replica }], {
          unit: 'bytes',
          min: 0,
        }),
      ],
    },
    {
      title: 'More',
      collapsed: true,
      panels: [
        timeseries(
          'WAL written',
          [{ expr: `max by (instance) (${rate(replication('pg_current_wal_lsn_bytes'))})`, legend: '{{instance}}' }],
          { unit: 'binBps', min: 0, width: 6 },
        ),
        timeseries(
          'Last reply of a replica',
          [{ expr: `time() - ${perReplica(of(replication('reply_time')))}`, legend: replica }],
          { unit: 's', width: 6, text: 'How long ago.' },
        ),
        timeseries('Database counters reset', [{ expr: since(database('stats_reset'), each), legend }], {
          unit: 's',
          width: 6,
          text: 'How long ago.',
        }),
        timeseries(
          'Writer counters reset',
          [{ expr: since(writer('stats_reset'), 'instance'), legend: '{{instance}}' }],
          {
            unit: 's',
            width: 6,
            text: 'How long ago.',
          },
        ),
        plain(writer('buffers_alloc')),
        plain(writer('buffers_backend_fsync')),
        plain(writer('maxwritten_clean')),
      ],
    },
  ],
};
