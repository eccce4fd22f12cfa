import { readFileSync } from 'node:fs';

/** The version of the program that is on disk now: that of workers that are started now. */
export function versionOnDisk(): string {
  try {
    return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
  } catch {
    // In the middle of an installation.
    return 'unknown';
  }
}

/** The version of the program on disk when this process started. */
export const version: string = versionOnDisk();
