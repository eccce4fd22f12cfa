import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fault } from '../../src/config/fault.ts';
import { type Loaded, loadPlan } from '../../src/config/load.ts';

/** Relative paths and what the files hold. */
export type Files = Record<string, string>;

/** Calls `use` with a folder that has these files, and removes it afterwards. */
export async function inFolder<T>(files: Files, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fly-edge-config-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What `edge.toml` among these files is read as; the files of faults are named as here. */
export function load(files: Files): Promise<Loaded> {
  return inFolder(files, async (folder) => {
    const loaded = await loadPlan(join(folder, 'edge.toml'));
    const named = (fault: Fault): Fault => ({
      ...fault,
      file: fault.file.replace(`${folder}/`, ''),
      message: fault.message.replaceAll(`${folder}/`, ''),
    });
    return { plan: loaded.plan, faults: loaded.faults.map(named), warnings: loaded.warnings.map(named) };
  });
}

/** Stands in a file before the place where something is wrong; only for tests. */
export const mark = '»';

/** The files without marks, and `file:line:column` of each mark. */
export function unmark(files: Files): { files: Files; marks: string[] } {
  const marks: string[] = [];
  const clean: Files = {};
  for (const [name, text] of Object.entries(files)) {
    const pieces = text.split(mark);
    clean[name] = pieces.join('');
    for (let i = 1; i < pieces.length; i++) {
      const lines = pieces.slice(0, i).join('').split('\n');
      marks.push(`${name}:${lines.length}:${lines[lines.length - 1].length + 1}`);
    }
  }
  return { files: clean, marks };
}

/** An edge.toml without faults around the lines that a test is about; `fly` is the app's fly.toml. */
export function configuration(parts: {
  top?: string;
  app?: string;
  instances?: string;
  end?: string;
  fly?: string;
}): Files {
  const edge = [
    'region = "iad"',
    'host = "2bc3"',
    'address = "127.0.0.1"',
    parts.top ?? '',
    '[[apps]]',
    'config = "fly.toml"',
    parts.app ?? 'hostnames = ["demo.test"]',
    parts.instances ?? '[[apps.instances]]\nid = "1a"\naddress = "127.0.0.1:3000"',
    parts.end ?? '',
  ];
  return { 'edge.toml': edge.join('\n'), 'fly.toml': `app = "demo"\n${parts.fly ?? plainService}` };
}

/** An http service on port 8080. */
export const plainService = '[[services]]\n[[services.ports]]\nport = 8080\nhandlers = ["http"]\n';
