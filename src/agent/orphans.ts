/**
 * The first process of a container is handed those that others leave, and has to wait for each when it ends: until then that
 * one is a zombie. Node waits only for what it has started itself, so this calls waitpid(2).
 */

import { readFileSync } from 'node:fs';
import { reasonOf } from '../config/reason.ts';

/** Answer at once: WNOHANG of Linux. */
const noHang = 1;
/** There is no such child, or the like. */
const failed = -1;

/**
 * Has process 1, whose launcher has switched node:ffi on, wait for every child that ends, except Node's own.
 * @param tell gets a line, when it cannot.
 * @param started the child that Node has started, and waits for.
 */
export async function reapOrphans(tell: (line: string) => void, started: () => number | undefined): Promise<void> {
  if (process.pid !== 1) return;
  try {
    const waitpid = await systemCall();
    const reap = () => {
      for (const pid of children()) if (pid !== started()) waitpid(pid, 0n, noHang);
    };
    reap();
    process.on('SIGCHLD', () => {
      try {
        reap();
      } catch {
        // No file handle is free: the next one that ends is another chance.
      }
    });
  } catch (error) {
    tell(`orphans stay as zombies, for it cannot wait for them (${reasonOf(error)}): use an init`);
  }
}

/** The interface is an experiment of Node's, and has changed before: whoever is no child of its own is asked for, to try it. */
async function systemCall() {
  const { dlopen } = await import('node:ffi');
  const { waitpid } = dlopen(null, { waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' } }).functions;
  if (waitpid(process.pid, 0n, noHang) !== failed) throw new Error('waitpid(2) cannot be called');
  return waitpid;
}

/** The kernel gives them to the main thread. */
function children(): number[] {
  const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1');
  return text.split(' ').filter(Boolean).map(Number);
}
