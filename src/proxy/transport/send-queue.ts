import { readFile, readlinkSync } from 'node:fs';

/**
 * How much the kernel still keeps of what was written to a TCP socket. Node can't ask the socket (SIOCOUTQ), so that it is looked up among all
 * sockets of the machine (proc(5), `/proc/net/tcp`): for rare questions only. Those of one moment are answered by one look.
 */

interface Question {
  readonly inode: string;
  readonly then: (bytes: number) => void;
}

const files = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
let waiting: Question[] = [];
let looking = false;

/** @param then called later, with bytes that the peer has not acknowledged; -1 when that can't be known. */
export function sendQueue(fd: number, then: (bytes: number) => void): void {
  waiting.push({ inode: inodeOf(fd), then });
  if (looking) return;
  looking = true;
  setImmediate(look);
}

function look(): void {
  const asked = waiting;
  waiting = [];
  let left = files.length;
  const tables: string[] = [];
  for (const file of files) {
    readFile(file, 'latin1', (error, text) => {
      if (error === null) tables.push(text);
      if (--left > 0) return;
      looking = waiting.length > 0;
      if (looking) setImmediate(look);
      for (const { inode, then } of asked) then(inode === '' ? -1 : find(tables, inode));
    });
  }
}

/** '' where there is no such file. */
function inodeOf(fd: number): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Number, addresses, state, tx_queue, rx_queue, timer, retransmissions, uid, timeout, inode. */
const line = /^\s*\d+: \S+ \S+ \S+ ([0-9A-F]+):\S+ \S+ \S+ +\d+ +\d+ (\d+) /;

function find(tables: readonly string[], inode: string): number {
  const key = ` ${inode} `;
  for (const table of tables) {
    for (let at = table.indexOf(key); at >= 0; at = table.indexOf(key, at + 1)) {
      const found = line.exec(table.slice(table.lastIndexOf('\n', at) + 1, at + key.length));
      if (found?.[2] === inode) return Number.parseInt(found[1]!, 16);
    }
  }
  return -1;
}
