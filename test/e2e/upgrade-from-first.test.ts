/** From the first version that was released, by its own code, to this one: it told positions in the catalogue, this one tells names. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { config, instance } from '../cli/helpers.ts';
import { type Page, sum } from '../helpers/exposition.ts';
import { alive, Installed, project, RunningEdge } from '../helpers/installation.ts';
import { load } from '../helpers/keep-alive-load.ts';
import { until } from '../helpers/until.ts';

const first = '0135ab3';

/** Its program in a folder of its own; null where the checkout has no history. */
function firstVersion(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', project, ...args], { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 28 });
  try {
    git('cat-file', '-e', `${first}^{commit}`);
  } catch {
    console.warn(`no upgrade from ${first} is tested: this checkout does not have that commit`);
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-first-'));
  execFileSync('tar', ['-x', '-C', folder], { input: git('archive', first, 'bin', 'src', 'package.json') });
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

const folder = firstVersion();
const responses = (page: Page) => sum(page, 'fly_edge_http_responses_count', { app: 'demo', status: '200' });

test.skipIf(folder === null)('upgrade loses neither request nor count', { timeout: 120_000 }, async () => {
  onTestFinished(() => rmSync(folder!, { recursive: true }));
  const made = await config(await instance(), { workers: 2 });
  // What it logs has a fault of its own, which the helpers would find.
  const program = spawn(process.execPath, [join(folder!, 'bin/fly-edge.js'), 'run', '--config', made.file], {
    stdio: 'ignore',
  });
  const ended = once(program, 'exit').then(() => ({ code: program.exitCode, stdout: '', stderr: '' }));
  const edge = new RunningEdge({ process: program, stdout: '', stderr: '', ended }, made);
  onTestFinished(() => edge.end());
  const serves = async () => (await fetch(`http://127.0.0.1:${made.metrics}/healthz`)).ok;
  await until(() => serves().catch(() => false), 'the first version serves', 30_000);
  const { pid } = await edge.status();
  const clients = load(made.http, 4);
  await until(() => clients.succeeded() > 200, 'load');

  const upgraded = await new Installed(project).run('upgrade', '--config', made.file);
  expect(upgraded).toMatchObject({ code: 0, stderr: '' });
  // Those that were there may stay with the old slot until it ends.
  const others = load(made.http, 4);
  await until(() => others.succeeded() > 200, 'load on the new one');
  const done = (await clients.stop()) + (await others.stop());
  await until(() => !alive(pid), 'the old supervisor is gone', 30_000);
  const page = (await until(async () => {
    const now = await edge.scrape();
    return responses(now) >= done && now;
  }, `${done} responses`)) as Page;
  expect(responses(page)).toBe(done);
  for (const name of ['fly_edge_http_response_time_seconds_count', 'fly_app_http_responses_count'])
    expect(sum(page, name, { app: 'demo' }), name).toBe(done);
  expect(sum(page, 'fly_edge_tcp_connects_count')).toBe(sum(page, 'fly_edge_tcp_disconnects_count'));
  for (const colour of ['blue', 'green']) {
    const counted = sum(page, 'fly_edge_http_responses_count', { app: 'demo', status: '200', proxy_id: colour });
    expect(counted, colour).toBeGreaterThan(200);
  }
});
