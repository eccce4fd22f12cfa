import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { until } from '../supervisor/helpers.ts';
import { bin, config, instance, run, status } from './helpers.ts';

vi.setConfig({ testTimeout: 60_000 });

/** As on a disk that is full: each write fails. */
function full(...args: string[]) {
  const disk = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', disk, disk] });
  closeSync(disk);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const access = '[log]\naccess = true\n';

test.each(['stop', 'SIGTERM'])(
  'with a warning and a log on a full disk an edge serves, and %s ends it',
  async (how) => {
    const made = await config(await instance(), { fly: 'unknown_key = 1\n', edge: access });
    const edge = full('run', '--config', made.file);
    const ended = once(edge, 'exit');
    const serves = async () => (await status(made.file)).state === 'serving';
    await until(async () => edge.exitCode !== null || (await serves().catch(() => false)));
    for (let i = 0; i < 50; i++) expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
    if (how === 'stop') expect(await run('stop', '--config', made.file)).toMatchObject({ code: 0 });
    else edge.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  },
);

test('what a command could not say, its exit code tells', async () => {
  const { file } = await config(9);
  expect(await once(full('check', '--config', file), 'exit')).toEqual([1, null]);
  expect(await once(full('check', '--config', '/nowhere/edge.toml'), 'exit')).toEqual([2, null]);
});
