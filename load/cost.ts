/** What a process and all its descendants have cost so far, read from /proc. */

import { readdirSync, readFileSync } from 'node:fs';

export interface Cost {
  /** CPU time of all threads, in nanoseconds: /proc/PID/task/TID/schedstat, which has no 10 ms ticks. */
  cpu: number;
  /** Proportional set size in bytes: pages that processes share are counted once. */
  memory: number;
}

export function costOf(root: number): Cost {
  let cpu = 0;
  let memory = 0;
  for (const pid of tree(root)) {
    for (const thread of list(`/proc/${pid}/task`)) {
      cpu += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ', 1)[0]);
    }
    memory += Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
  }
  return { cpu, memory };
}

function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of list('/proc')) {
    const pid = Number(entry);
    if (!pid) continue;
    // The command in parentheses may hold anything: the fields are counted from its end.
    const stat = read(`/proc/${pid}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Processes may end while they are read: what has gone is empty. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
