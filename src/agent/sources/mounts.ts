/** Which file systems are mounted where. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../../config/reason.ts';

export interface Mount {
  point: string;
  type: string;
}

/**
 * By mount point; of several on one point the last hides the others. Those of process 1 where they may be read: an agent
 * can be confined, by systemd for one.
 * @param fault is told what is not understood, and when there is no list at all.
 */
export function readMounts(proc: string, fault: (reason: string) => void): Mount[] {
  const text = firstReadable([join(proc, '1/mounts'), join(proc, 'self/mounts')], fault);
  const mounts = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, point, type] = line.split(' ');
    if (point?.startsWith('/') && type) mounts.set(decode(point), { point: decode(point), type });
    else fault('a line is not understood');
  }
  return [...mounts.values()];
}

function firstReadable(files: string[], fault: (reason: string) => void): string {
  let reason = '';
  for (const file of files) {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      reason = `${file}: ${reasonOf(error)}`;
    }
  }
  fault(reason);
  return '';
}

/** The kernel writes space, tab, line feed, backslash and # as three octal digits. */
const decode = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
