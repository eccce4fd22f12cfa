/** The package as its users get it: built and packed from a copy of the checkout, unpacked below a `node_modules`. */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Installed, project } from './installation.ts';

/** What a checkout comes to have in it, and no package may. */
const forbidden = [
  'config/run/tokens.key',
  'config/certs/shop.key',
  'bin/.env',
  '.npmrc',
  'dist/left-over.js',
  'src/.env',
];
const notCopied = new Set(['node_modules', '.git', 'dist', 'run', 'results']);

export interface Manifest {
  version: string;
  engines: Record<string, string>;
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

export class Package extends Installed {
  readonly manifest: Manifest;
  /** Paths in the tarball. */
  readonly files: string[];
  readonly #all: string;

  /** Takes some seconds. Needs no network. */
  constructor() {
    const all = mkdtempSync(join(tmpdir(), 'fly-edge-package-'));
    super(join(all, 'node_modules/fly-edge'));
    this.#all = all;
    npm(copyOfCheckout(join(all, 'source')), 'pack', '--offline', '--pack-destination', all);
    this.manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    const tarball = join(all, `fly-edge-${this.manifest.version}.tgz`);
    const listed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' });
    this.files = listed
      .trim()
      .split('\n')
      .map((path) => path.replace('package/', ''))
      .sort();
    mkdirSync(this.folder, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', this.folder, '--strip-components=1']);
    this.#linkDependencies();
  }

  remove(): void {
    rmSync(this.#all, { recursive: true });
  }

  /** What the package asks for, and nothing else that the checkout has. */
  #linkDependencies(): void {
    const { dependencies, optionalDependencies } = this.manifest;
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const [from, to] = [join(project, 'node_modules', name), join(this.#all, 'node_modules', name)];
      if (!existsSync(from)) continue;
      mkdirSync(dirname(to), { recursive: true });
      symlinkSync(from, to);
    }
  }
}

/** Runs npm in a folder, without the settings of an outer npm. @returns its output. Throws, with what it wrote, when it fails. */
export function npm(folder: string, ...args: string[]): string {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
  return execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe', env: Object.fromEntries(own) });
}

function copyOfCheckout(folder: string): string {
  cpSync(project, folder, {
    recursive: true,
    filter: (path) =>
      !relative(project, path)
        .split('/')
        .some((part) => notCopied.has(part)),
  });
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  for (const path of forbidden) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  return folder;
}
