/** One query as the engine gets it: made by us, restricted to one organization by the engine itself. */

import type { Endpoint } from './endpoints.ts';
import type { Parameters } from './parameters.ts';

export interface Organization {
  slug: string;
  id: number;
}

export interface EngineQuery {
  url: URL;
  /** application/x-www-form-urlencoded. */
  form: string;
  /** Whether the answer may come in gzip. */
  gzip: boolean;
}

/**
 * @param storage as in edge.toml. With `{tenant}` the path restricts the query, else a filter on the label `org`, which
 *   the scrape configuration alone sets.
 * @param timeout milliseconds.
 */
export function engineQuery(
  storage: string,
  { slug, id }: Organization,
  { path }: Endpoint,
  parameters: Parameters,
  timeout: number,
  gzip: boolean,
): EngineQuery {
  const base = storage.replaceAll('{tenant}', String(id)).replace(/\/+$/, '');
  const form = new URLSearchParams(parameters.filter(([name]) => name !== 'timeout'));
  form.set('timeout', `${timeout}ms`);
  // Several would widen each other (OR): this is the only one, since no parameter of the client's has such a name.
  if (!storage.includes('{tenant}')) form.set('extra_filters[]', `{org="${slug}"}`);
  return { url: new URL(base + path), form: String(form), gzip };
}

/** What a query says, for telling it from others; times and limits left out. */
export const textOf = ({ path, parameters: known }: Endpoint, parameters: Parameters): string =>
  [path, ...parameters.filter(([name]) => known[name]!.text).map(([, value]) => value)].join('\n');
