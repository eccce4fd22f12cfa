import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface DemoConfig {
  /** Path of its edge.toml: the control socket and the keys of the tokens come into the folder `run` beside it. */
  file: string;
  /** As it is written on a command line here. */
  shown: string;
  remove(): void;
}

const folder = fileURLToPath(new URL('../../config', import.meta.url));
const parts = ['edge.toml', 'apps'];

/**
 * A checkout's own, which the README names. A package's is copied: the package may belong to another user, is replaced by the
 * next version, and stands too deep in the folders for the path of a socket.
 */
export function demoConfig(): DemoConfig {
  if (extname(import.meta.url) === '.ts') {
    const file = join(folder, 'edge.toml');
    return { file, shown: relative(process.cwd(), file), remove() {} };
  }
  const copy = mkdtempSync(join(tmpdir(), 'fly-edge-demo-config-'));
  for (const part of parts) cpSync(join(folder, part), join(copy, part), { recursive: true });
  const file = join(copy, 'edge.toml');
  return { file, shown: file, remove: () => rmSync(copy, { recursive: true, force: true }) };
}
