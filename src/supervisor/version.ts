import { readFileSync } from 'node:fs';

/** Of the program on disk when this process started. */
export const version: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
