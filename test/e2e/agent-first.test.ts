/** The agent as process 1, as it is in a container. */

import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { freePort, start } from '../cli/helpers.ts';
import { sum } from '../helpers/exposition.ts';
import { until } from '../helpers/until.ts';
import {
  agent,
  childrenOf,
  leave,
  listener,
  missingNamespaces,
  node,
  page,
  type Started,
  sendAll,
  sentAll,
  unshare,
} from './agents.ts';

const why = missingNamespaces();
if (why !== null) console.warn(`no agent is process 1: ${why}`);

/** As this machine numbers it. */
const pidOf = (started: Started): number => childrenOf(started.process.pid!)[0]!;

describe.skipIf(why !== null)('process 1', () => {
  test('waits for the orphans that the app leaves, and its code is the app’s', async () => {
    const orphans = 50;
    // Each sleep is left by a shell that ends at once.
    const app = node(`const { spawn } = require('child_process');
      for (let i = 0; i < ${orphans}; i++) spawn('sh', ['-c', 'sleep 1000 &']);
      process.on('SIGUSR1', () => process.exit(9)); setInterval(() => {}, 1000);`);
    const started = await agent(['--linger', '1h'], app, unshare);
    const first = pidOf(started);
    await until(() => childrenOf(first).length === orphans + 1, 'all are orphans');
    const [its, ...left] = childrenOf(first);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    await until(() => childrenOf(first).length === 1, 'no zombies');
    expect(childrenOf(first)).toEqual([its]);
    process.kill(first, 'SIGUSR1');
    const series = await until(async () => {
      const now = await page(started);
      return now.has('fly_instance_exit_code') && now;
    });
    expect(sum(series, 'fly_instance_exit_code')).toBe(9);
    expect(await leave(started, first)).toEqual({ code: 9, stdout: '', stderr: '' });
  });

  test('every signal goes to the app once', async () => {
    const started = await agent(['--linger', '1h'], listener, unshare);
    await sendAll(started, pidOf(started));
    expect(await started.ended).toEqual({ code: 7, stdout: sentAll, stderr: '' });
  });

  test('says so, where Node cannot wait for orphans', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const [program, first, ...words] = [...unshare, process.execPath, '--no-experimental-ffi', main];
    const args = ['agent', '--listen', `127.0.0.1:${await freePort()}`, '--linger', '0s', '--', 'echo', 'up'];
    const { code, stdout, stderr } = await start([...words, ...args], program, first).ended;
    expect([code, stdout]).toEqual([0, 'up\n']);
    expect(stderr).toMatch(
      /^fly-edge: agent: orphans stay as zombies, for it cannot wait for them \(.*\): use an init\n$/,
    );
  });
});
