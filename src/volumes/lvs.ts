/** Asks LVM for the logical volumes of this machine: `lvs --reportformat json`. */

import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { trimOws } from '../base/ascii.ts';

export interface LogicalVolume {
  /** Bytes. */
  size: number;
  /** Percent of it that was written to, 0 to 100. Null when LVM does not know: not thin, or not active. */
  used: number | null;
}

/** missing: no such program; failed: it ended with an error; timeout; unreadable: what it wrote is not such a report. */
export type LvsReason = 'missing' | 'failed' | 'timeout' | 'unreadable';

export interface LvsFault {
  reason: LvsReason;
  detail: string;
}

/** By `group/volume`. With a fault there may be some all the same: one damaged group does not hide the others. */
export interface LvsReport {
  /** Null: listed twice, so that nobody knows which one is meant. */
  volumes: Map<string, LogicalVolume | null>;
  fault: LvsFault | null;
}

export interface LvsRun {
  /** Never rejects. */
  report: Promise<LvsReport>;
  /** When the process is gone: later than the report when it could not be ended at its timeout. */
  ended: Promise<void>;
  kill(): void;
}

/** All volumes rather than the wanted ones: an argument that is not there would make it fail. */
export const lvsArguments = [
  ...['--reportformat', 'json', '--units', 'b', '--nosuffix'],
  ...['-o', 'vg_name,lv_name,lv_size,data_percent'],
];

const defaultTimeout = 2_000;
/** Bytes. A row has about 100: this is a host with tens of thousands of volumes. */
const longestReport = 4 * 1024 * 1024;
const longestComplaint = 4096;
/** Characters of what it complained about, in the log. */
const longestDetail = 200;

/** Starts `lvs`. @param timeout milliseconds; then it is killed. @param path folders that it is looked for in. */
export function runLvs(timeout = defaultTimeout, path = searchPath()): LvsRun {
  const { promise: report, resolve } = Promise.withResolvers<LvsReport>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const fail = (reason: LvsReason, detail: string) => resolve({ volumes: new Map(), fault: { reason, detail } });
  let child: ChildProcess;
  try {
    child = start(path);
  } catch (error) {
    // No memory for another process, say.
    fail('failed', String(error));
    end();
    return { report, ended, kill: () => {} };
  }
  const kill = () => {
    killGroup(child);
    // Whoever still holds its other end is waited for no longer.
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const timer = setTimeout(() => {
    fail('timeout', `no answer within ${timeout} ms`);
    kill();
  }, timeout);
  const out: Buffer[] = [];
  let size = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    out.push(chunk);
    if (size <= longestReport) return;
    fail('unreadable', `more than ${longestReport} bytes`);
    kill();
  });
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, longestComplaint);
  });
  child.on('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    if (error.code === 'ENOENT') fail('missing', 'there is no lvs in the PATH');
    else fail('failed', error.message);
    if (child.pid === undefined) end();
  });
  child.on('exit', () => end());
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    const { volumes, fault } = parseReport(Buffer.concat(out).toString());
    if (code === 0) resolve({ volumes, fault });
    else resolve({ volumes, fault: { reason: 'failed', detail: `${code ?? signal}: ${firstLine(complaint)}` } });
  });
  return { report, ended, kill };
}

/** The PATH, and where LVM is usually installed. */
const searchPath = (): string =>
  [process.env.PATH ?? '', '/usr/sbin', '/sbin'].filter((part) => part !== '').join(delimiter);

/** A group of its own, so that all of it can be killed when `lvs` is a script that calls another. */
function start(path: string): ChildProcess {
  return spawn('lvs', lvsArguments, {
    env: { PATH: path, LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1' },
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone, or another user's.
  }
}

/** Reads what `lvs` wrote. A row that cannot be read, or that names a volume a second time, is a fault; others hold. */
export function parseReport(text: string): LvsReport {
  const volumes = new Map<string, LogicalVolume | null>();
  const rows = rowsOf(text);
  if (rows === null) return { volumes, fault: { reason: 'unreadable', detail: 'this is not a report in JSON' } };
  let fault: LvsFault | null = null;
  for (const row of rows) {
    const read = readRow(row);
    if (read === null) {
      fault ??= unreadable(row);
      continue;
    }
    const { name, volume } = read;
    // Two groups of one name, as after a disk was cloned.
    if (volumes.has(name)) fault ??= { reason: 'unreadable', detail: `${name} is listed twice` };
    volumes.set(name, volumes.has(name) ? null : volume);
  }
  return { volumes, fault };
}

/** `{"report": [{"lv": [row, …]}]}`, as lvmreport(7) shows it. */
function rowsOf(text: string): unknown[] | null {
  try {
    const rows = JSON.parse(text).report.flatMap(({ lv }: { lv: unknown }) => lv);
    // One without `lv` tells of something else.
    return Array.isArray(rows) && !rows.includes(undefined) ? rows : null;
  } catch {
    return null;
  }
}

function readRow(row: unknown): { name: string; volume: LogicalVolume } | null {
  if (typeof row !== 'object' || row === null) return null;
  const { vg_name, lv_name, lv_size, data_percent } = row as Record<string, unknown>;
  if (typeof vg_name !== 'string' || typeof lv_name !== 'string') return null;
  if (typeof lv_size !== 'string' || !/^\d{1,19}$/.test(lv_size)) return null;
  if (typeof data_percent !== 'string' || !/^(\d{1,3}(\.\d+)?)?$/.test(data_percent)) return null;
  const used = data_percent === '' ? null : Number(data_percent);
  return used !== null && used > 100
    ? null
    : { name: `${vg_name}/${lv_name}`, volume: { size: Number(lv_size), used } };
}

const unreadable = (row: unknown): LvsFault => ({
  reason: 'unreadable',
  detail: `a row of the report: ${JSON.stringify(row).slice(0, longestDetail)}`,
});

/** The first that is more than a warning, if any. */
function firstLine(text: string): string {
  const lines = text.split('\n').map(trimOws);
  const line = lines.find((line) => line !== '' && !line.startsWith('WARNING:')) ?? lines[0];
  return line.slice(0, longestDetail);
}
