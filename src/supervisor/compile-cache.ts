/**
 * In a checkout each process strips the types of its modules and compiles them: half a second, and 25 MB that it never gives
 * back. Node keeps both in a cache, which it checks against each source. bin/fly-edge.js says where; without it nothing here does anything.
 */

import module from 'node:module';
import { dirname } from 'node:path';

/** For another process of this program: the same cache. */
export function environmentWithCache(): NodeJS.ProcessEnv {
  const folder = module.getCompileCacheDir();
  // Node names the folder below it after its own version.
  return folder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(folder) };
}

/** Writes what this process has compiled: Node itself would when it ends, and processes of an edge live long. */
export const keepCompiled = (): void => module.flushCompileCache();
