import { readFileSync } from 'node:fs';

/**
 * Whether keys on a terminal are signals for this process and its children: they are of the group in the terminal's foreground,
 * whatever their stdin is. Also true of `docker run -t`.
 */
export function inForeground(): boolean {
  let stat: string;
  try {
    stat = readFileSync('/proc/self/stat', 'latin1');
  } catch {
    return process.stdin.isTTY;
  }
  // proc_stat(5), after the name, which may hold anything: state, ppid, pgrp, session, tty_nr, tpgid.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === foreground;
}
