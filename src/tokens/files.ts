import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** Small private files that several processes read and write: the root keys and what stands beside them. */

/** Replaces the file; a reader sees the old or the new content, a crash leaves one of them. Mode 0600. */
export function replaceFile(file: string, content: string): void {
  withTemporary(file, content, (temporary) => renameSync(temporary, file));
}

/** Makes the file unless there is one already, then leaves that: of two processes that start at once, one makes it. */
export function createFile(file: string, content: string): void {
  withTemporary(file, content, (temporary) => {
    try {
      linkSync(temporary, file);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  });
}

function withTemporary(file: string, content: string, place: (temporary: string) => void): void {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    place(temporary);
    syncFolder(folder);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** A new name lasts only once its folder is on the disk, too. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const patience = 5000;

/** Runs `change` while no other process changes this file. Fails after five seconds of waiting. */
export async function exclusively<T>(file: string, change: () => T): Promise<T> {
  const lock = `${file}.lock`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const deadline = performance.now() + patience;
  while (!taken(lock)) {
    if (performance.now() > deadline) {
      throw new Error(`${lock} says that another command is changing ${file}: remove it when none is`);
    }
    await setTimeout(20);
  }
  try {
    return change();
  } finally {
    rmSync(lock, { force: true });
  }
}

function taken(lock: string): boolean {
  try {
    closeSync(openSync(lock, 'wx', 0o600));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Another one whenever another file stands there, or the file says something else; never throws. */
export function versionOf(file: string): string {
  try {
    const { ino, mtimeNs, ctimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${ctimeNs} ${size}`;
  } catch (error) {
    return codeOf(error) ?? 'none';
  }
}

/** What a file says now: read again only when another one stands in its place. */
export class FileView<T> {
  readonly #file: string;
  readonly #read: (file: string) => T;
  #version = '';
  #value!: T;

  constructor(file: string, read: (file: string) => T) {
    this.#file = file;
    this.#read = read;
  }

  /** Throws what `read` throws, in a sentence for people. */
  get value(): T {
    const version = versionOf(this.#file);
    if (version !== this.#version) {
      this.#value = this.#read(this.#file);
      this.#version = version;
    }
    return this.#value;
  }
}

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
