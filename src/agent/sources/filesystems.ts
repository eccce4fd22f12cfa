/** Size of mounted file systems, by statvfs(3). */

import { type BigIntStatsFs, promises } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../../config/reason.ts';
import type { Fault } from '../faults.ts';
import { family, labels, type Page } from '../page.ts';
import { type Mount, readMounts } from './mounts.ts';

const blocks = family('filesystem_blocks');
const blockSize = family('filesystem_block_size');
const blocksFree = family('filesystem_blocks_free');
const blocksAvail = family('filesystem_blocks_avail');

/** Another machine, or a program, answers for these; it can be gone, and the question with it. */
const remoteType =
  /^(nfs4?|cifs|smb3?|smbfs|ncpfs|afs|9p|ceph|lustre|gfs2?|glusterfs|ocfs2|beegfs|virtiofs|fuse(\..*)?)$/;
/** Questions to such that may wait at once. Each holds one of libuv's four threads: local file systems need some too. */
const mostRemote = 2;
/** Milliseconds that a scrape waits for all of them. */
const patience = 1000;

export interface FilesystemOptions {
  /** The process list that tells what is mounted. */
  proc: string;
  /** Where the mount points are found. */
  root: string;
  excluded: (mount: Mount) => boolean;
  /** For tests. */
  statfs?: (path: string) => Promise<BigIntStatsFs>;
}

export class Filesystems {
  readonly #options: FilesystemOptions;
  readonly #statfs: (path: string) => Promise<BigIntStatsFs>;
  /** Mount points that have not answered yet, and whether they are remote: not asked again until they do. */
  readonly #asked = new Map<string, boolean>();

  constructor(options: FilesystemOptions) {
    this.#options = options;
    this.#statfs = options.statfs ?? ((path) => promises.statfs(path, { bigint: true }));
  }

  /** Ends in time, whether all have answered or not. */
  async read(page: Page, fault: Fault): Promise<void> {
    const mounts = readMounts(this.#options.proc, (reason) => fault('mounts', reason)).filter(
      (mount) => !this.#options.excluded(mount),
    );
    const silent = new Set(mounts.map(({ point }) => point));
    const free = mounts.filter(({ point }) => !this.#asked.has(point));
    let over = false;
    const ask = async ({ point, type }: Mount): Promise<void> => {
      const answer = await this.#ask(point, remoteType.test(type));
      if (over) return;
      silent.delete(point);
      if ('fault' in answer) fault('statvfs', `${point}: ${answer.fault}`);
      else write(page, point, answer);
    };
    const remote = free.filter(({ type }) => remoteType.test(type));
    const inTurn = async (): Promise<void> => {
      while (!over && this.#remoteAsked() < mostRemote && remote.length > 0) await ask(remote.shift()!);
    };
    const local = free.filter(({ type }) => !remoteType.test(type)).map(ask);
    const all = Promise.all([...local, ...Array.from({ length: mostRemote }, inTurn)]);
    await within(patience, all);
    over = true;
    for (const point of silent) fault('statvfs', `${point}: no answer`);
  }

  #remoteAsked(): number {
    return [...this.#asked.values()].filter(Boolean).length;
  }

  async #ask(point: string, remote: boolean): Promise<BigIntStatsFs | { fault: string }> {
    this.#asked.set(point, remote);
    try {
      return await this.#statfs(join(this.#options.root, point));
    } catch (error) {
      return { fault: reasonOf(error) };
    } finally {
      this.#asked.delete(point);
    }
  }
}

/** Settled when `work` is, after the time at the latest. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}

function write(page: Page, point: string, answer: BigIntStatsFs): void {
  // A file system without a single block stores nothing.
  if (answer.blocks === 0n) return;
  const ofMount = labels(['mount', point]);
  page.add(blocks, String(answer.blocks), ofMount);
  // As statvfs(3) does where a file system names no fragment size.
  page.add(blockSize, String(answer.frsize || answer.bsize), ofMount);
  page.add(blocksFree, String(answer.bfree), ofMount);
  page.add(blocksAvail, String(answer.bavail), ofMount);
}
