/** A path and the parameters of its query, in their order. */
export interface MetricsPath {
  path: string;
  parameters: [name: string, value: string][];
}

/**
 * What a fly.toml's `path` of an endpoint asks for. A scraper is told each parameter in a label, which has one value, and
 * a name of letters, digits and underscores; null for what can't be told so.
 */
export function parseMetricsPath(text: string): MetricsPath | null {
  // flyctl takes one without its slash, too.
  if (!/^[!->@-~]*(\?[!-~]*)?$/.test(text)) return null;
  const [path = '', query = ''] = text.split(/\?(.*)/);
  const parameters = [...new URLSearchParams(query)];
  const names = new Set(parameters.map(([name]) => name));
  if (names.size < parameters.length || parameters.some(([name]) => !/^[A-Za-z0-9_]+$/.test(name))) return null;
  return { path: path.startsWith('/') ? path : `/${path}`, parameters };
}
