/** How often the kernel ended a process of the agent's control group because memory ran out. */

import { join } from 'node:path';
import { countOf, legacyGroups, type Roots, textOf, unifiedGroups } from './cgroup.ts';

/**
 * `oom_kill` of memory.events (cgroup v2, groups below included), or of memory.oom_control (v1, since Linux 4.13); 0
 * where neither can be read.
 */
export function oomKills(roots: Roots): bigint {
  try {
    const [unified] = unifiedGroups(roots);
    const [legacy] = legacyGroups(roots, 'memory');
    const count =
      (unified && countOf(textOf(join(unified, 'memory.events')), 'oom_kill')) ??
      (legacy && countOf(textOf(join(legacy, 'memory.oom_control')), 'oom_kill'));
    return BigInt(count || 0);
  } catch {
    return 0n;
  }
}
