import type { Path, TomlFile } from './toml.ts';

/**
 * Tables that flyctl takes in more shapes than one (its `patches.go`), brought into the one that the schema knows. Forms
 * of single values are the schema's. What is in no known shape stays as it is, for the schema to refuse.
 */
export function rewriteForms(toml: TomlFile): void {
  for (const key of ['services', 'metric', 'metrics']) toml.asArray([key]);
  toml.rename('metric', 'metrics');
  for (const service of [['http_service'], ...elementsOf(['services'], toml)]) {
    toml.asArray([...service, 'ports']);
    for (const key of ['checks', 'tcp_checks', 'http_checks']) {
      toml.asArray([...service, key]);
      for (const check of elementsOf([...service, key], toml)) rewriteHeaders([...check, 'headers'], toml);
    }
  }
}

function elementsOf(path: Path, toml: TomlFile): Path[] {
  const value = toml.at(path);
  return Array.isArray(value) ? value.map((_, i) => [...path, i]) : [];
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** A list of `{ name = "X-A", value = "b" }` (without a value: an empty one), or of `{ X-A = "b" }`. */
function rewriteHeaders(path: Path, toml: TomlFile): void {
  const headers = toml.at(path);
  if (!Array.isArray(headers) || !headers.every(isTable)) return;
  const entries = headers.flatMap((header, i): [string, Path][] => {
    const at = [...path, i];
    if (typeof header.name === 'string') return [[header.name, [...at, 'value']]];
    return Object.keys(header).map((name) => [name, [...at, name]]);
  });
  toml.asTable(path, entries, '');
}
