/** Writes Grafana's dashboards into config/grafana: `npm run dashboards`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { app } from './app.ts';
import { dashboard, type Page } from './dashboard.ts';
import { edge } from './edge.ts';
import { instance } from './instance.ts';
import { postgres } from './postgres.ts';
import { volumes } from './volumes.ts';

export const pages: readonly Page[] = [edge, app, instance, volumes, postgres];

export const folder = new URL('../../config/grafana/dashboards/', import.meta.url);

/** Text of each file, by its name. */
export const files = (): Map<string, string> =>
  new Map(pages.map((page) => [`${page.name}.json`, `${JSON.stringify(dashboard(page), null, 2)}\n`]));

if (import.meta.main) {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of files()) writeFileSync(new URL(name, folder), text);
}
