import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** No more of the processes that hold a port are named. */
const most = 3;
const listening = '0A';

/**
 * Who listens on a TCP port, for a sentence: `, pid 4711 (fly-edge blue worker 0, stopped)`; empty where it can't be known: no /proc, or
 * another user's process.
 */
export function holders(port: number): string {
  try {
    const inodes = new Set(['tcp', 'tcp6'].flatMap((table) => listenersOn(port, `/proc/net/${table}`)));
    if (inodes.size === 0) return '';
    const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && holds(name, inodes));
    return pids
      .slice(0, most)
      .map((pid) => `, pid ${pid}${description(pid)}`)
      .join('');
  } catch {
    return '';
  }
}

/** Inodes of the sockets (proc(5): local_address, st and inode are the second, fourth and tenth columns). */
function listenersOn(port: number, table: string): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync(table, 'latin1').split('\n').slice(1);
  return lines
    .map((line) => line.trim().split(/ +/))
    .filter((columns) => columns[1]?.endsWith(wanted) && columns[3] === listening)
    .map((columns) => columns[9]!);
}

function holds(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[([0-9]+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    return false;
  }
}

/** Empty when it has been closed meanwhile. */
function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Its title if it is one of ours, else its program's name: arguments may be secret. */
function description(pid: string): string {
  try {
    const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const name = program.startsWith('fly-edge ') ? program.trim() : basename(program).split(' ')[0]!;
    const stopped = /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    return ` (${name}${stopped ? ', stopped' : ''})`;
  } catch {
    return '';
  }
}
