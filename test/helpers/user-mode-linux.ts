/**
 * A Linux that has what this machine's kernel may lack: Debian's user-mode-linux. Its root is this machine's, so it has the same
 * programs and writes to the same folders; processes, mounts, network, devices and control groups are its own.
 */

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Of Debian's package, or where it was unpacked. */
const prefix = process.env.USER_MODE_LINUX ?? '/usr';
const kernel = join(prefix, 'bin/linux.uml');
const first = fileURLToPath(new URL('user-mode-linux.sh', import.meta.url));

/** Where its kernel's modules are. */
export const modules = join(prefix, 'lib/uml/modules');

/** Milliseconds that one may take, from its start to its halt. */
const longest = 55_000;

/** Why there can be none here; null when there can. */
export function missingUserModeLinux(): string | null {
  if (process.getuid?.() !== 0) return 'only root can use the machine’s files as a user-mode Linux’s';
  return existsSync(kernel) ? null : 'there is no user-mode-linux';
}

export interface UserModeLinux {
  /** In MiB. */
  memory: number;
  /** A file that is its disk /dev/ubdb. */
  disk?: string;
  /** For the script; values without spaces. */
  environment?: Record<string, string>;
}

/**
 * Boots one, and has it run a shell script as root.
 * @param folder is FOLDER for the script: gets what it writes, and a log.
 * @throws with the end of the log, when the script fails.
 */
export async function inUserModeLinux(script: string, folder: string, options: UserModeLinux): Promise<void> {
  const environment = { ...options.environment, SCRIPT: script, FOLDER: folder };
  const args = [`mem=${options.memory}M`, 'rootfstype=hostfs', 'root=/dev/root', 'rootflags=/', 'rw', `init=${first}`];
  if (options.disk !== undefined) args.push(`ubdb=${options.disk}`);
  // Its console is nowhere: a terminal would be opened for it.
  args.push('con=null', 'con0=fd:0,fd:1', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`));
  await promisify(execFile)(kernel, args, { timeout: longest });
  const code = readFileSync(join(folder, 'code'), 'utf8').trim();
  if (code === '0') return;
  throw new Error(`${script} ended with ${code}:\n${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`);
}
