/** `pg_tls` with a real psql in front and a real PostgreSQL behind. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { type Certificate, issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { missingPostgres, Postgres, pgbench, psql } from '../helpers/postgres.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const missing = missingPostgres();
if (missing !== null) console.warn(`pg_tls is not tested with a real PostgreSQL: ${missing}`);

const port = 5432;

describe.skipIf(missing !== null)('pg_tls', () => {
  let folder: string;
  let authority: Certificate;
  let postgres: Postgres;
  let edge: Edge;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-pg-'));
    authority = makeAuthority(folder);
    const [local] = await freePorts(1);
    postgres = await Postgres.start(local!);
    edge = await Edge.start({
      workers: 2,
      ports: [port],
      certificates: [issue(folder, authority, 'pg', ['pg.test'])],
      apps: [
        {
          name: 'pg',
          fly: service({ port, handlers: ['pg_tls'], type: 'connections' }),
          instances: [{ id: 'aa01', port: local! }],
        },
      ],
    });
  });

  afterAll(async () => {
    await edge?.stop();
    await postgres?.stop();
    rmSync(folder, { recursive: true });
  });

  /** Runs a client program; its standard input is `input`. */
  function run(program: string, args: string[], host: string, env: Record<string, string>, input = '') {
    const connection = { PGHOST: host, PGHOSTADDR: '127.0.0.1', PGPORT: String(edge.port(port)), PGUSER: 'postgres' };
    return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const options = { env: { PATH: process.env.PATH, HOME: folder, ...connection, ...env }, maxBuffer: 2 ** 26 };
      const child = execFile(program, args, options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
      // A client that is refused ends without reading it.
      child.stdin!.on('error', () => {}).end(input);
    });
  }

  const query = (sql: string, sslmode: string, host = 'pg.test', env: Record<string, string> = {}) =>
    run(psql, ['-X', '-A', '-t', '-c', sql], host, { PGSSLMODE: sslmode, ...env });

  test.for(['prefer', 'require'])('sslmode=%s', async (sslmode) => {
    expect(await query('select 6 * 7', sslmode)).toEqual({ code: 0, stdout: '42\n', stderr: '' });
    const info = await run(psql, ['-X', '-c', '\\conninfo'], 'pg.test', { PGSSLMODE: sslmode });
    expect(info.stdout).toContain('protocol: TLSv1.3');
  });

  test.for(['verify-ca', 'verify-full'])('sslmode=%s checks our certificate', async (sslmode) => {
    const env = { PGSSLROOTCERT: authority.cert };
    expect(await query('select 6 * 7', sslmode, 'pg.test', env)).toEqual({ code: 0, stdout: '42\n', stderr: '' });
    const other = mkdtempSync(join(folder, 'other-'));
    const stranger = await query('select 1', sslmode, 'pg.test', { PGSSLROOTCERT: makeAuthority(other).cert });
    expect(stranger.code).toBe(2);
    expect(stranger.stderr).toContain('certificate verify failed');
  });

  test('TLS 1.2 does as well', async () => {
    const env = { PGSSLMAXPROTOCOLVERSION: 'TLSv1.2' };
    expect(await query('select 6 * 7', 'require', 'pg.test', env)).toEqual({ code: 0, stdout: '42\n', stderr: '' });
  });

  test('a name that is not served here gets no certificate', async () => {
    const { code, stderr } = await query('select 1', 'require', 'stranger.test');
    expect(code).toBe(2);
    expect(stderr).toContain('unrecognized name');
  });

  test('sslmode=disable is refused, in words that tell what to do', async () => {
    const watch = await edge.watch();
    const { code, stderr } = await query('select 1', 'disable');
    expect(code).toBe(2);
    expect(stderr).toContain('FATAL:  TLS is required: connect with sslmode=require');
    await watch.moved({ 'error pg_request': 1, 'edge connects': 1 });
  });

  test('what is not PostgreSQL is refused', async () => {
    const watch = await edge.watch();
    const client = (await rawClient(edge.port(port))).send('GET / HTTP/1.1\r\nHost: pg.test\r\n\r\n');
    await client.peerEnd();
    expect(client.text).toMatch(/^E.*not a PostgreSQL request/s);
    client.end();
    await watch.moved({ 'error pg_request': 1 });
  });

  test('megabytes pass both ways as they are', async () => {
    const line = `${'0123456789'.repeat(100)}\n`;
    const script = `create temp table t (line text); copy t from stdin;\n${line.repeat(10_000)}\\.\ncopy t to stdout;\n`;
    const { code, stdout } = await run(psql, ['-X', '-q'], 'pg.test', { PGSSLMODE: 'require' }, script);
    expect(code).toBe(0);
    expect(stdout === line.repeat(10_000)).toBe(true);
  });

  test('pgbench finds nothing wrong, and everything is counted', async () => {
    const watch = await edge.watch();
    const env = { PGSSLMODE: 'require' };
    expect((await run(pgbench, ['-i', '-q', 'postgres'], 'pg.test', env)).code).toBe(0);
    // A connection per client, and one before them to look at the tables.
    const bench = await run(pgbench, ['-n', '-c', '4', '-t', '25', 'postgres'], 'pg.test', env);
    expect(bench.stdout).toContain('number of transactions actually processed: 100/100');
    await watch.moved({ 'edge connects': 6, 'app connects': 6, 'handshake TLSv1.3': 6 });
  });

  test('a connection is in flight as long as it is open', async () => {
    const concurrency = async () => sum(await edge.scrape(), 'fly_app_concurrency', { app: 'pg', instance: 'aa01' });
    const sleeping = query('select pg_sleep(1)', 'require');
    await until(async () => (await concurrency()) === 1, 'one in flight');
    expect((await sleeping).code).toBe(0);
    await until(async () => (await concurrency()) === 0, 'none in flight');
  });
});
