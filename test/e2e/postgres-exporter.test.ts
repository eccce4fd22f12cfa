/** Each `pg_*` name: from a real PostgreSQL and its replica, through exporter, /sd and engine, to the gateway. */

import { type ChildProcess, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts, start, stop } from '../../load/processes.ts';
import { postgresSeries } from '../../src/metrics/catalogue-postgres.ts';
import { allSeries } from '../../src/metrics/series.ts';
import { type Chain, startChain } from '../helpers/chain.ts';
import { missingPostgres, Postgres, pgbench, psql } from '../helpers/postgres.ts';
import { missingExporter, PostgresExporter, roleFile } from '../helpers/postgres-exporter.ts';
import { installed, type Result } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const missing = missingPostgres() ?? missingExporter() ?? (installed('victoriaMetrics') ? null : 'no engine');
if (missing !== null) console.warn(`no series of PostgreSQL are tested: ${missing}`);

const names = postgresSeries.map(({ name }) => name);
/** Of its replicas, and of a reset: the statistics of this replica never were reset (NaN, which the engine leaves out). */
const primaryOnly = names.filter(
  (name) => name.startsWith('pg_stat_replication_') || name === 'pg_stat_database_stats_reset',
);
const fromFile = (name: string) => postgresSeries.find((row) => row.name === name)!.source.startsWith('queries.yaml');

/** The database that is looked at; nobody works in it but the connection that `beforeAll` makes. */
const database = 'app';

/** The same value asked of PostgreSQL: which of its series, and the SQL. Times are in whole seconds, as exported. */
function direct(name: string): { labels: string; sql: string } {
  const column = (prefix: string) =>
    name.endsWith('stats_reset') ? 'floor(extract(epoch from stats_reset))' : name.slice(prefix.length);
  const inDatabase = `datname="${database}"`;
  const where = `where datname = '${database}'`;
  const active = `${where} and state = 'active'`;
  const labels = `${inDatabase},state="active"`;
  switch (name) {
    case 'pg_stat_activity_count':
      return { labels, sql: `select count(*) from pg_stat_activity ${active}` };
    case 'pg_stat_activity_max_tx_duration':
      return {
        labels,
        sql: `select extract(epoch from max(clock_timestamp() - xact_start)) from pg_stat_activity ${active}`,
      };
    case 'pg_database_size_bytes':
      return { labels: inDatabase, sql: `select pg_database_size('${database}')` };
    case 'pg_replication_lag':
      return { labels: '', sql: 'select 0' };
    case 'pg_stat_replication_pg_current_wal_lsn_bytes':
      return { labels: '', sql: `select pg_current_wal_lsn() - '0/0'` };
    case 'pg_stat_replication_pg_wal_lsn_diff':
      return { labels: '', sql: 'select pg_current_wal_lsn() - replay_lsn from pg_stat_replication' };
    case 'pg_stat_replication_reply_time':
      return { labels: '', sql: 'select floor(extract(epoch from reply_time)) from pg_stat_replication' };
  }
  for (const view of ['pg_stat_database_conflicts', 'pg_stat_database']) {
    if (name === 'pg_stat_database_conflicts' || !name.startsWith(`${view}_`)) continue;
    return { labels: inDatabase, sql: `select ${column(`${view}_`)} from ${view} ${where}` };
  }
  for (const view of ['pg_stat_bgwriter', 'pg_stat_archiver'])
    if (name.startsWith(`${view}_`)) return { labels: '', sql: `select ${column(`${view}_`)} from ${view}` };
  if (name === 'pg_stat_database_conflicts')
    return { labels: inDatabase, sql: `select conflicts from pg_stat_database ${where}` };
  throw new Error(`no SQL for ${name}`);
}

describe.skipIf(missing !== null)('postgres_exporter beside an instance', () => {
  let primary: Postgres;
  let replica: Postgres;
  let exporters: PostgresExporter[];
  let bare: PostgresExporter;
  let session: ChildProcess;
  let chain: Chain;

  async function ask(org: 'alpha' | 'beta', query: string): Promise<Result[]> {
    const response = await fetch(`${chain.gateway}/prometheus/${org}/api/v1/query`, {
      method: 'POST',
      headers: { authorization: chain.tokens[org] },
      body: new URLSearchParams({ query, nocache: '1' }),
    });
    return ((await response.json()) as { data: { result: Result[] } }).data.result;
  }

  const on = (instance: string, labels = '') => `{instance="${instance}"${labels === '' ? '' : `,${labels}`}}`;

  const value = async (query: string): Promise<number> => Number((await ask('alpha', query))[0]?.value[1]);

  beforeAll(async () => {
    const [port, replicaPort] = (await freePorts(2)) as [number, number];
    primary = await Postgres.start(port);
    primary.query(readFileSync(roleFile, 'utf8'));
    primary.query(`create database ${database}`);
    const connection = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres'];
    execFileSync(pgbench, [...connection, '-i', '-q', database], { stdio: 'ignore' });
    execFileSync(pgbench, [...connection, '-t', '50', '-c', '2', database], { stdio: 'ignore' });
    // A time of the last reset is there only after one.
    primary.query('select pg_stat_reset()', database);
    execFileSync(pgbench, [...connection, '-t', '50', '-c', '2', database], { stdio: 'ignore' });
    session = start(psql, [...connection, '-d', database, '-c', 'select pg_sleep(100000)']);
    replica = await primary.replica(replicaPort);
    exporters = [await PostgresExporter.start(port), await PostgresExporter.start(replicaPort)];
    bare = await PostgresExporter.start(port, false);
    chain = await startChain();
    const beside = (id: string, i: number) => ({ id, port, exporters: [exporters[i]!.address] });
    await chain.edge.reconfigure({
      apps: [
        { name: 'shop', org: 'alpha', instances: [beside('pg01', 0), beside('pg02', 1)] },
        { name: 'secret-blog', org: 'beta', instances: [{ id: 'secret01', port }] },
      ],
    });
    await until(async () => (await ask('alpha', 'pg_replication_lag')).length === 2, 'both are scraped', 30_000);
    await until(() => replica.query('select pg_is_in_recovery()')[0] === 't', 'the replica');
    await until(async () => (await ask('alpha', 'pg_stat_replication_reply_time')).length > 0, 'a reply', 30_000);
  });

  afterAll(async () => {
    await chain?.stop();
    for (const exporter of [...(exporters ?? []), bare]) await exporter?.stop();
    if (session !== undefined) await stop(session);
    await replica?.stop();
    await primary?.stop();
  });

  test('gives each name by the query that the catalogue says', async () => {
    const alone = await bare.page();
    const whole = await exporters[0]!.page();
    for (const { name, type } of postgresSeries) {
      const has = (page: string) => page.includes(`# TYPE ${name} ${type}\n`);
      expect([name, has(whole), has(alone)]).toEqual([name, true, !fromFile(name)]);
    }
    // All queries went well, in the role that may read statistics only.
    expect(whole).toContain('pg_exporter_last_scrape_error 0\n');
    expect(whole).not.toMatch(/pg_exporter_user_queries_load_error\S* 1\n/);
    expect(primary.query(`select rolsuper from pg_roles where rolname = 'postgres_exporter'`)).toEqual(['f']);
  });

  test.each(names)('%s carries our labels and the exporter’s', async (name) => {
    const { labels } = allSeries.find((series) => series.name === name)!;
    const known = [...labels, '__name__', 'org', 'job'];
    const found = await ask('alpha', name);
    expect(found.length).toBeGreaterThan(0);
    const seen = new Set<string>();
    for (const { metric } of found) {
      expect(metric).toMatchObject({ app: 'shop', region: 'lab', host: '2bc3', org: 'alpha' });
      expect(metric.job).toMatch(/^exporter \d+$/);
      for (const label of Object.keys(metric)) seen.add(label);
    }
    // A label whose value is empty is none to the engine: the row of all databases has no datname.
    expect([...seen].sort()).toEqual([...known].sort());
    const instances = primaryOnly.includes(name) ? ['pg01'] : ['pg01', 'pg02'];
    expect([...new Set(found.map(({ metric }) => metric.instance))].sort()).toEqual(instances);
    expect(await ask('beta', name)).toEqual([]);
  });

  /** Those of which a sample is not between what PostgreSQL said before its scrape and after: what stands still is equal. */
  async function differing(): Promise<Record<string, unknown>[]> {
    const ask = (sql: string) => primary.query(sql)[0]!;
    const rows = names.map((name) => ({ name, ...direct(name), before: ask(direct(name).sql) }));
    const since = Date.now() / 1000;
    // The time of a sample is when its scrape began.
    await until(async () => (await value('min(timestamp(pg_replication_lag))')) > since, 'a newer sample', 20_000);
    const found: Record<string, unknown>[] = [];
    for (const { name, labels, sql, before } of rows) {
      const shown = await value(name + on('pg01', labels));
      const after = ask(sql);
      const known = before !== '' && after !== '';
      if (!known || !(Number(before) <= shown && shown <= Number(after))) found.push({ name, before, shown, after });
    }
    return found;
  }

  test('each is what PostgreSQL says', async () => {
    let found = await differing();
    // A lag of some bytes comes and goes: it is asked for again.
    if (found.every(({ name }) => name === 'pg_stat_replication_pg_wal_lsn_diff')) {
      await until(async () => (found = await differing()).length === 0, 'no lag', 20_000);
    }
    expect(found).toEqual([]);
  });

  test('the traffic is in them', async () => {
    expect(await value(`pg_stat_database_xact_commit${on('pg01', `datname="${database}"`)}`)).toBeGreaterThan(100);
    expect(await value(`pg_stat_database_tup_inserted${on('pg01', `datname="${database}"`)}`)).toBeGreaterThan(99);
    expect(await value(`pg_stat_database_numbackends${on('pg01', `datname="${database}"`)}`)).toBe(1);
    expect(await value(`pg_stat_activity_count${on('pg01', `datname="${database}",state="active"`)}`)).toBe(1);
    expect(await value(`pg_stat_bgwriter_checkpoints_req${on('pg01')}`)).toBeGreaterThan(0);
  });

  test('a replica that replays nothing falls behind, and catches up', async () => {
    expect(await value(`pg_replication_lag${on('pg02')}`)).toBe(0);
    replica.query('select pg_wal_replay_pause()');
    primary.query('create table later as select generate_series(1, 1000)');
    const behind = `pg_stat_replication_pg_wal_lsn_diff${on('pg01')}`;
    await until(async () => (await value(behind)) > 0, 'bytes behind', 20_000);
    await until(async () => (await value(`pg_replication_lag${on('pg02')}`)) > 0, 'seconds behind', 20_000);
    expect(await value(`pg_replication_lag${on('pg01')}`)).toBe(0);
    replica.query('select pg_wal_replay_resume()');
    await until(async () => (await value(`pg_replication_lag${on('pg02')}`)) === 0, 'no lag', 20_000);
    await until(async () => (await value(behind)) === 0, 'no bytes', 20_000);
  });

  test('a replica that is cut off falls behind too, though it has replayed all that it got', async () => {
    await primary.stop();
    await until(async () => (await value(`pg_replication_lag${on('pg02')}`)) > 0, 'seconds behind', 20_000);
  });
});
