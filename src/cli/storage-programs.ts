/** Where the programs of the storage tier are. */

import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** Debian's names, and those of the project's own packages. */
const engines = ['victoria-metrics', 'victoria-metrics-prod'];
const scrapers = ['vmagent', 'vmagent-prod'];

/** @returns null when it is not installed. */
export const installedEngine = (): string | null => first(engines, searched());

/** vmagent beside an engine, or else in the PATH; null when it is in neither. */
export const installedScraper = (engine: string): string | null =>
  first(scrapers, [...(engine.includes('/') ? [dirname(engine)] : []), ...searched()]);

const searched = (): string[] => (process.env.PATH ?? '').split(delimiter);

const first = (names: string[], folders: string[]): string | null =>
  folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable) ?? null;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
