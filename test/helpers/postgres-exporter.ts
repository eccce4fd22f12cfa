/** Debian's postgres_exporter, with the flags of docs/postgres.md. */

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePorts, ready, start, stop } from '../../load/processes.ts';

const program = '/usr/bin/prometheus-postgres-exporter';
const folder = new URL('../../config/postgres/', import.meta.url);
export const queriesFile = fileURLToPath(new URL('queries.yaml', folder));
export const roleFile = fileURLToPath(new URL('role.sql', folder));
/** Of roleFile. */
const role = 'postgres_exporter';

export const exporterFlags = ['--no-collector.bgwriter', '--disable-settings-metrics'];
export const queriesFlag = '--extend.query-path=';

/** Why there is none here; null when there is. */
export const missingExporter = (): string | null => (existsSync(program) ? null : `${program} is not installed`);

export class PostgresExporter {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(address: string, child: ChildProcess) {
    this.address = address;
    this.#child = child;
  }

  /** @param port of the server that it asks. @param queries without, it gives only what it gives by itself. */
  static async start(port: number, queries = true): Promise<PostgresExporter> {
    const address = `127.0.0.1:${(await freePorts(1))[0]}`;
    const source = `DATA_SOURCE_NAME=postgresql://${role}@127.0.0.1:${port}/postgres?sslmode=disable`;
    const flags = [...exporterFlags, ...(queries ? [queriesFlag + queriesFile] : [])];
    const child = start('env', [source, program, `--web.listen-address=${address}`, ...flags]);
    const exporter = new PostgresExporter(address, child);
    await ready(child, 'postgres_exporter', async () => (await exporter.page()).includes('pg_up 1'));
    return exporter;
  }

  async page(): Promise<string> {
    return (await fetch(`http://${this.address}/metrics`)).text();
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}
