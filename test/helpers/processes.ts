/** What a running edge costs, from /proc (Linux). */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Edge } from './edge.ts';

/** The worker processes of an edge. */
export function workersOf(edge: Edge): number[] {
  const { pid } = edge.child;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number);
}

/** Bytes of memory that a process holds now, and the most it held since the last `resetPeak`. */
export function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024;
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

/** proc(5): writing 5 to clear_refs sets the peak to what is held now. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
