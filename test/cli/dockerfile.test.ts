/** No Docker here: what the Dockerfile copies is copied, and its build and its program run. */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { version } from '../../src/base/version.ts';
import { project } from '../helpers/installation.ts';
import { npm } from '../helpers/package.ts';
import { config } from './helpers.ts';

test('the Dockerfile copies all that its build needs, and all that the image needs to run', async () => {
  const [build, image] = readFileSync(join(project, 'Dockerfile'), 'utf8')
    .split(/^FROM .*\n/m)
    .slice(1)
    .map((stage) => stage.trim().split('\n')) as [string[], string[]];
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-image-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const stages = { build: join(folder, 'build'), image: join(folder, 'image') };
  const ignored = readFileSync(join(project, '.dockerignore'), 'utf8').split('\n');
  /** From the stage before where a line says so, else from the checkout. */
  const copy = (lines: string[], to: string) => {
    for (const line of lines) {
      const [, fromBuild, names] = /^COPY (--from=build )?(.*)$/.exec(line) ?? [];
      if (names === undefined) continue;
      const [target, ...sources] = names.split(' ').reverse() as [string, ...string[]];
      for (const source of sources) {
        expect(ignored).not.toContain(source);
        const from = fromBuild ? source.replace('/app', stages.build) : join(project, source);
        cpSync(from, join(to, target, target.endsWith('/') ? source : ''), { recursive: true, verbatimSymlinks: true });
      }
    }
  };
  copy(build, stages.build);
  // In place of `npm ci`, which wants the network.
  symlinkSync(join(project, 'node_modules'), join(stages.build, 'node_modules'));
  expect(build).toContain('RUN npm run build');
  npm(stages.build, 'run', 'build');
  copy(image, stages.image);
  const entry = JSON.parse(image.find((line) => line.startsWith('ENTRYPOINT'))!.replace('ENTRYPOINT ', '')) as string[];
  expect(entry[0]).toBe('node');
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [join(stages.image, entry[1]!), ...args], { encoding: 'utf8' });
  expect(run('--version')).toBe(`${version}\n`);
  const { file } = await config(9);
  expect(run('check', '--config', file)).toContain('1 app');
  // What config/compose.yaml runs in it.
  const [, demo] = /node, (\S+demo-instance\S+),/.exec(readFileSync(join(project, 'config/compose.yaml'), 'utf8'))!;
  expect(existsSync(join(stages.image, demo!))).toBe(true);
});
