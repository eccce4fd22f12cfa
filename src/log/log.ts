/**
 * Logs as JSON lines (pino): events and errors to stderr, the access log to stdout. Written asynchronously, so
 * that a slow reader never stops the data path, and bounded: beyond the limit lines are dropped rather than kept.
 */

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
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

/** Milliseconds that the last lines of a process may take. */
const longestFlush = 1_000;

interface Destination {
  readonly stream: ReturnType<typeof pino.destination>;
  readonly file: boolean;
  /** It may wait in `gathered` although there was a drain. */
  readonly gathers: boolean;
  /** A write may block its thread, which an exit waits for. */
  readonly blocks: boolean;
  /** Something was written since it last was empty. */
  dirty: boolean;
  /** How often the writes had come to an end. */
  drains: number;
  /** The last try failed: the disk is full, the terminal or the reader gone. */
  failed: boolean;
}
const destinations: Destination[] = [];

function destination(to: 1 | 2 | string, gather: number): DestinationStream {
  const fd = to === 2 ? unblocked(to) : to;
  const stream = pino.destination({
    // A file is appended to: whoever rotates it may truncate it, and several processes write it.
    dest: fd,
    append: true,
    sync: false,
    minLength: gather,
    maxWrite: atomicWrite,
    maxLength: longestBacklog,
    // What was gathered is written at least once a second.
    ...(gather > 0 ? { periodicFlush: 1000 } : {}),
  });
  const self: Destination = {
    stream,
    file: typeof to === 'string',
    gathers: gather > 0,
    blocks: fd === to,
    dirty: false,
    drains: 0,
    failed: false,
  };
  // pino calls it after a fatal line and at the exit. It tries for ever where nothing can be written: `flushLogs` does not.
  stream.flushSync = () => {};
  // A full disk or a closed pipe must not end the edge. What waits is tried again with the next line.
  stream.on('error', () => {
    self.failed = true;
  });
  let dropped = 0;
  stream.on('drop', () => dropped++);
  stream.on('drain', () => {
    self.drains++;
    self.dirty &&= self.gathers;
    self.failed = false;
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
  destinations.push(self);
  return {
    write(line) {
      self.dirty = true;
      stream.write(line);
    },
  };
}

/**
 * A pipe or a terminal opened anew, so that writing never blocks a thread, which an exit would wait for. The flag belongs to
 * the description that open() makes, and other processes' is as it was.
 */
function unblocked(fd: number): number {
  try {
    const found = fstatSync(fd);
    if (!found.isFIFO() && !found.isCharacterDevice()) return fd;
    return openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    // A socket, another user's terminal, or no /proc.
    return fd;
  }
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
  for (const { stream, file } of destinations) if (file) stream.reopen();
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

/**
 * Writes what waits, before an exit; what can't be written now is lost. Settled within a second.
 * @returns whether no write is left that a thread of this process may be blocked in: an exit would wait for it.
 */
export async function flushLogs(): Promise<boolean> {
  const deadline = performance.now() + longestFlush;
  // The first end of what is being written may leave what was gathered meanwhile.
  const left = new Map(destinations.map((each) => [each, each.drains + (each.dirty ? (each.gathers ? 2 : 1) : 0)]));
  for (const each of destinations) each.failed = false;
  for (;;) {
    for (const [each, drains] of left) if (each.failed || each.drains >= drains) left.delete(each);
    if (left.size === 0) return true;
    if (performance.now() > deadline) return ![...left.keys()].some(({ blocks }) => blocks);
    for (const { stream } of left.keys()) stream.flush();
    await setTimeout(5);
  }
}
