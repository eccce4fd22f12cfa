/** What an agent costs its instance, measured on the program as it is started. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { machine } from '../agent/helpers.ts';
import { freePort, run, start } from '../cli/helpers.ts';
import { parseExposition, select } from '../helpers/exposition.ts';
import { memoryOf } from '../helpers/processes.ts';
import { until } from '../helpers/until.ts';

/** The CPU time is judged against that of a bare server in the same run: a machine's own pace and its neighbours touch both. */
const most = { timesBare: 6, bytes: 80 * 1024 * 1024 };
const devices = { disks: 50, nets: 50 };
const [warmUp, batches, perBatch] = [200, 25, 20];

/** The least that any exporter in Node does: reads the same files, and answers with as many bytes. */
const bareProgram = `const { readFileSync } = require('node:fs');
const [folder, length] = process.argv.slice(1);
const files = ['diskstats', 'net/dev', 'meminfo', 'stat', 'loadavg', '1/mounts'].map((name) => folder + '/' + name);
require('node:http').createServer((request, response) => {
  for (const file of files) readFileSync(file, 'latin1');
  response.end('x'.repeat(Number(length)));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

const median = (costs: number[]): number => costs.toSorted((a, b) => a - b)[costs.length >> 1]!;

/** Milliseconds of CPU time, in user and kernel mode, that all threads of a process have used. */
function cpuOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const used = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'latin1').split(' ')[0]));
  return used.reduce((a, b) => a + b, 0) / 1e6;
}

/** With the counters of a machine that has been up for a while. */
function manyDevices(folder: string): void {
  const count = (i: number, j: number) => (i * 7919 + 1) * (j * 104_729 + 13);
  const fields = (i: number, n: number) =>
    Array.from({ length: n }, (_, j) => (j % 4 === 3 ? 0 : count(i, j))).join(' ');
  const disks = Array.from({ length: devices.disks }, (_, i) => ` 253 ${i} dm-${i} ${fields(i, 17)}\n`);
  const nets = Array.from({ length: devices.nets }, (_, i) => ` eth${i}: ${fields(i, 16)}\n`);
  writeFileSync(join(folder, 'proc/diskstats'), disks.join(''));
  writeFileSync(join(folder, 'proc/1/mounts'), '/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n');
  writeFileSync(join(folder, 'proc/net/dev'), `head\nhead\n${nets.join('')}`);
}

test('CPU for a scrape with 100 devices: a few times that of a bare server with the same files; less than 80 MiB', async () => {
  const folder = machine();
  manyDevices(folder);
  // Fills the cache of stripped sources, where they have changed since.
  await run('agent', '--help');
  const port = await freePort();
  const { process: agent } = start(['agent', '--listen', `127.0.0.1:${port}`, '--proc', join(folder, 'proc')]);
  const connections = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => connections.destroy());
  const scrape = (port: number) =>
    new Promise<Buffer>((resolve, reject) => {
      get({ port, path: '/metrics', agent: connections }, (answer) => resolve(buffer(answer))).on('error', reject);
    });
  const text = String(await until(() => scrape(port).catch(() => null)));
  const page = parseExposition(text);
  expect(select(page, 'fly_instance_disk_time_io')).toHaveLength(devices.disks);
  expect(select(page, 'fly_instance_net_recv_bytes')).toHaveLength(devices.nets);

  const bare = spawn(process.execPath, ['-e', bareProgram, join(folder, 'proc'), String(text.length)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void bare.kill('SIGKILL'));
  const barePort = Number(String((await once(bare.stdout!, 'data'))[0]));

  const batch = async (pid: number, port: number): Promise<number> => {
    const before = cpuOf(pid);
    for (let i = 0; i < perBatch; i++) await scrape(port);
    return (cpuOf(pid) - before) / perBatch;
  };
  for (let i = 0; i < warmUp; i++) for (const each of [port, barePort]) await scrape(each);
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < batches; i++) {
    ours.push(await batch(agent.pid!, port));
    theirs.push(await batch(bare.pid!, barePort));
  }
  const timesBare = median(ours.map((cost, i) => cost / theirs[i]!));
  const { now, peak } = memoryOf(agent.pid!);
  const mebibytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(1);
  console.log(
    `a scrape with ${devices.disks + devices.nets} devices: CPU ${median(ours).toFixed(2)} ms, in the quietest batch ${Math.min(...ours).toFixed(2)} ms; ${timesBare.toFixed(2)} times that of a bare server with the same files; resident ${mebibytes(now)} MiB after ${warmUp + batches * perBatch} scrapes, at most ${mebibytes(peak)} MiB`,
  );
  expect(timesBare).toBeLessThan(most.timesBare);
  expect(now).toBeLessThan(most.bytes);
});
