/**
 * Logs as JSON lines (pino): events and errors to stderr, the access log to stdout. Written asynchronously, so
 * that a slow reader never stops the data path, and bounded: beyond the limit lines are dropped rather than kept.
 */

import { closeSync, openSync } from 'node:fs';
import pino, { type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** Bytes that may wait for a slow reader. */
const longestBacklog = 8 * 1024 * 1024;
/**
 * All processes of the tree write into the same pipe, and only a write of up to PIPE_BUF bytes (4096 on Linux) is
 * never torn by another's (POSIX write()).
 */
const atomicWrite = 4096;
/** Access log lines are gathered up to this size, which leaves room for one more. */
const gathered = 3072;

type Destination = ReturnType<typeof pino.destination>;
const destinations: Destination[] = [];
const files: Destination[] = [];

function destination(to: 1 | 2 | string, gather: number): DestinationStream {
  const stream = pino.destination({
    // A file is appended to: whoever rotates it may truncate it, and several processes write it.
    dest: to,
    append: true,
    sync: false,
    minLength: gather,
    maxWrite: atomicWrite,
    maxLength: longestBacklog,
    // What was gathered is written at least once a second.
    ...(gather > 0 ? { periodicFlush: 1000 } : {}),
  });
  // A full disk or a closed pipe must not end the edge.
  stream.on('error', () => {});
  let dropped = 0;
  stream.on('drop', () => dropped++);
  stream.on('drain', () => {
    if (dropped === 0) return;
    const line = {
      level: 'warn',
      time: new Date().toISOString(),
      pid: process.pid,
      dropped,
      msg: 'log lines were dropped',
    };
    dropped = 0;
    stream.write(`${JSON.stringify(line)}\n`);
  });
  destinations.push(stream);
  if (typeof to === 'string') files.push(stream);
  return stream;
}

const options = {
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label: string) => ({ level: label }) },
};

/** The log of events and errors, to stderr or a file; `bindings` stand in each line. */
export function eventLog(bindings: Record<string, unknown>, file: string | null = null): Log {
  return pino({ ...options, base: { ...bindings, pid: process.pid } }, destination(file ?? 2, 0));
}

/** The access log, to stdout or a file: lines are gathered before they are written. */
export function accessLog(file: string | null = null): Log {
  return pino({ ...options, base: null }, destination(file ?? 1, gathered));
}

/** After a file was moved: writes on into a new one of its name. */
export function reopenLogs(): void {
  for (const stream of files) stream.reopen();
}

/** Why lines can't be appended to a file; null when they can. */
export function faultOf(file: string): string | null {
  try {
    closeSync(openSync(file, 'a'));
    return null;
  } catch (error) {
    return `log file ${file}: ${(error as Error).message}; give another as file in [log]`;
  }
}

/** Writes what waits, before an exit. */
export function flushLogs(): void {
  for (const stream of destinations) {
    try {
      stream.flushSync();
    } catch {
      // Nobody reads any more.
    }
  }
}
