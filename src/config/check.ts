import type { z } from 'zod';
import { nearest, suggestion } from './nearest.ts';
import type { Path, TomlFile } from './toml.ts';

type Issue = z.core.$ZodIssue;

/**
 * The file's values in the form that `schema` gives them. Each issue becomes a fault at its place (or, for an unknown
 * key with `unknown: 'warning'`, a warning; for one of `ignored`, nothing), and what is faulty is taken out of the file, so that the rest is checked
 * too and all faults are told at once. `standIns` take the place of required keys at the top that are faulty.
 * `faulty` names the keys at the top under which something was taken out.
 */
export function check<S extends z.ZodType>(
  schema: S,
  toml: TomlFile,
  options: { unknown: 'fault' | 'warning'; ignored?: ReadonlySet<string>; standIns: Record<string, unknown> },
): { value: z.output<S>; faulty: Set<PropertyKey> } {
  const faulty = new Set<PropertyKey>();
  let result = schema.safeParse(toml.value);
  for (let round = 0; !result.success; round++) {
    const { issues } = result.error;
    // From the second round on, issues follow from what was taken out.
    if (round === 0) for (const issue of issues) report(issue, toml, options);
    for (const path of toTakeOut(issues, toml)) {
      const key = path[0] as string;
      faulty.add(key);
      toml.remove(path);
      if (path.length === 1 && Object.hasOwn(options.standIns, key)) toml.value[key] = options.standIns[key];
    }
    result = schema.safeParse(toml.value);
  }
  return { value: result.data, faulty };
}

type Unknown = { unknown: 'fault' | 'warning'; ignored?: ReadonlySet<string> };

function report(issue: Issue, toml: TomlFile, unknown: Unknown): void {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportUnknown([...path, key], issue.message.split(' '), toml, unknown);
  } else if (issue.code === 'invalid_key') {
    toml.failKey(path, `"${String(path.at(-1))}" is no key here: write ${issue.issues[0].message}`);
  } else {
    const value = toml.at(path);
    toml.fail(path, `${nameOf(path)} is ${value === undefined ? 'missing' : shown(value)}: write ${issue.message}`);
  }
}

function reportUnknown(path: Path, known: string[], toml: TomlFile, options: Unknown): void {
  const key = String(path.at(-1));
  if (options.unknown === 'fault') {
    toml.failKey(path, `unknown key "${key}": ${suggestion(key, known)}`);
  } else if (!options.ignored?.has(key)) {
    const near = nearest(key, known);
    toml.warnOfKey(
      path,
      `key "${key}" is not supported and ignored${near === null ? '' : `: did you mean "${near}"?`}`,
    );
  }
}

/** The paths to take out, innermost and last first, so that no removal moves another one's place. */
function toTakeOut(issues: readonly Issue[], toml: TomlFile): Path[] {
  const paths = issues.flatMap((issue): Path[] => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...issue.path, key]);
    const missing = issue.code !== 'invalid_key' && toml.at(issue.path) === undefined;
    return [missing && issue.path.length > 1 ? issue.path.slice(0, -1) : issue.path];
  });
  const unique = new Map(paths.map((path) => [JSON.stringify(path), path]));
  return [...unique.values()].sort(descending);
}

function descending(a: Path, b: Path): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x === y) continue;
    return typeof x === 'number' && typeof y === 'number' ? y - x : String(x) < String(y) ? 1 : -1;
  }
  return b.length - a.length;
}

/** `hostnames[1]` for an element, else the last key. */
function nameOf(path: Path): string {
  const last = path.at(-1)!;
  return typeof last === 'number' ? `${String(path.at(-2))}[${last}]` : String(last);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  return String(value);
}
