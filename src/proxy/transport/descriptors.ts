import { readFileSync } from 'node:fs';

/**
 * Out of descriptors, libuv accepts with one that it keeps for this, closes, and says nothing: what it did could not be counted. So some are kept
 * back. A new descriptor has the lowest number that is free (POSIX open), which tells how many are in use at least.
 */
const limit = softLimit();
const reserve = Math.min(64, limit >> 3);

/** A client's connection with this number, or a higher one, is not kept: those that are there need some for instances. */
export const mostForClients = limit - reserve;
/** The last ones are for checks, logs and lookups. */
export const mostForInstances = limit - (reserve >> 2);

/** The soft limit of this process; as good as none where it can't be read. */
function softLimit(): number {
  try {
    const soft = Number(/^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    if (soft > 0 && soft < 0x3fffffff) return soft;
  } catch {
    // Not Linux.
  }
  return 0x3fffffff;
}
