import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { codeOf, exclusively, replaceFile } from './files.ts';

/** A JSON file of this schema; `empty` when there is none. Throws a sentence when it can't be read. */
export function readJson<T>(file: string, schema: z.ZodType<T>, empty: T): T {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return empty;
    throw new Error(`${file} can't be read: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(parse(text));
  if (!parsed.success) throw new Error(`${file} is damaged: ${z.prettifyError(parsed.error).split('\n')[0]}`);
  return parsed.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads, changes and replaces the file while no other command does. */
export function changeJson<T>(file: string, schema: z.ZodType<T>, empty: T, change: (old: T) => T): Promise<T> {
  return exclusively(file, () => {
    const changed = change(readJson(file, schema, empty));
    replaceFile(file, formatJson(changed));
    return changed;
  });
}

export const formatJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
