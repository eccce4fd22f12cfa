/** The program, with real apps and signals. */

import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { machine } from '../agent/helpers.ts';
import { freePort, run } from '../cli/helpers.ts';
import { sum } from '../helpers/exposition.ts';
import { until } from '../helpers/until.ts';
import { agent, childrenOf, leave, listener, node, page, sendAll, sentAll } from './agents.ts';

test('without an app: this machine, until SIGTERM', async () => {
  const started = await agent([]);
  const series = await page(started);
  expect(sum(series, 'fly_instance_up')).toBe(1);
  expect(sum(series, 'fly_instance_memory_mem_total')).toBeGreaterThan(0);
  expect(series.has('fly_instance_exit_code')).toBe(false);
  expect(started.stderr).toContain(`the agent serves ${started.url}/metrics`);
  started.process.kill('SIGTERM');
  expect((await started.ended).code).toBe(0);
});

test('GET and HEAD of two paths', async () => {
  const { url } = await agent([]);
  const get = (path: string, init: RequestInit = {}) => fetch(url + path, init);
  expect((await get('/')).status).toBe(404);
  const posted = await get('/metrics', { method: 'POST' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const plain = await get('/metrics', { headers: { 'accept-encoding': 'gzip' } });
  expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(plain.headers.get('content-encoding')).toBeNull();
  const head = await get('/metrics', { method: 'HEAD' });
  expect([Number(head.headers.get('content-length')) > 1000, await head.text()]).toEqual([true, '']);
});

test('every signal goes to the app, whose code is the agent’s; an end that was asked for is not waited for', async () => {
  const started = await agent(['--linger', '1h'], listener);
  await sendAll(started, started.process.pid!);
  expect(await started.ended).toEqual({ code: 7, stdout: sentAll, stderr: '' });
});

test('how the app ended is told several times, and the agent leaves then', async () => {
  const started = await agent(['--linger', '1h'], node('setTimeout(() => process.exit(3), 300)'));
  let told = 0;
  const left = await until(async () => {
    const now = await page(started).catch(() => null);
    if (now?.has('fly_instance_exit_code')) {
      told++;
      expect(sum(now, 'fly_instance_exit_code')).toBe(3);
      expect(now.get('fly_instance_exit_oom')).toEqual([{ labels: {}, value: 0 }]);
    }
    return now === null;
  });
  expect(left).toBe(true);
  expect(told).toBeGreaterThanOrEqual(3);
  expect((await started.ended).code).toBe(3);
});

test('a curl, or another scraper, takes the end from nobody', async () => {
  const app = "process.on('SIGUSR1', () => process.exit(3)); setInterval(() => {}, 1000); console.log('up')";
  const started = await agent(['--linger', '1h'], node(app));
  await until(() => started.stdout.includes('up'));
  const as = async (name: string) => {
    const answer = await fetch(`${started.url}/metrics`, { headers: { 'user-agent': name } });
    return /\nfly_instance_exit_code (\d+)/.exec(await answer.text())?.[1];
  };
  for (const name of ['storage', 'another', 'storage', 'another']) expect(await as(name)).toBeUndefined();
  started.process.kill('SIGUSR1');
  await until(async () => (await as('curl')) === '3');
  for (const name of ['curl', 'another', 'another', 'storage']) expect(await as(name)).toBe('3');
  expect((await leave(started)).code).toBe(3);
});

test('two scrapers that ask at once both see how the app ended', async () => {
  const started = await agent(['--linger', '1h'], node('process.stdout.write("over")'));
  await until(() => started.stdout === 'over' && childrenOf(started.process.pid!).length === 0);
  const sockets = Array.from({ length: 3 }, () => connect(started.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  for (const answer of await Promise.all(sockets.map((socket) => text(socket))))
    expect(answer).toContain('\nfly_instance_exit_code 0\n');
  expect((await leave(started)).code).toBe(0);
});

test('nobody scrapes it: the agent leaves with the app’s code when --linger is over', async () => {
  expect((await (await agent(['--linger', '50ms'], node('process.exit(4)'))).ended).code).toBe(4);
});

test('a SIGQUIT that shows stacks, as that of a JVM, does not hide how the app ends later', async () => {
  const app = node(`process.on('SIGQUIT', () => { console.log('stacks'); setTimeout(() => process.exit(9), 300); });
    setInterval(() => {}, 1000); console.log('up');`);
  const started = await agent(['--linger', '1h'], app);
  await until(() => started.stdout.includes('up'));
  started.process.kill('SIGQUIT');
  await until(() => started.stdout.includes('stacks'));
  const series = await until(async () => {
    const now = await page(started);
    return now.has('fly_instance_exit_code') && now;
  });
  expect(sum(series, 'fly_instance_exit_code')).toBe(9);
  expect((await leave(started)).code).toBe(9);
});

test('a signal ends the wait', async () => {
  const started = await agent(['--linger', '1h'], node('process.stdout.write("over")'));
  // Zombies are reaped: once it is none of the agent's children, it has been waited for.
  await until(() => started.stdout === 'over' && childrenOf(started.process.pid!).length === 0);
  started.process.kill('SIGTERM');
  expect((await started.ended).code).toBe(0);
});

test('an app that a signal ends: 128 and its number', async () => {
  const ended = await (await agent(['--linger', '0s'], node('process.kill(process.pid, "SIGKILL")'))).ended;
  expect(ended.code).toBe(137);
});

test.each([
  ['2', '0::/system.slice/app.service', 'system.slice/app.service/memory.events', 'oom 1\noom_kill 2\n', 1],
  ['2, unchanged', '0::/system.slice/app.service', 'system.slice/app.service/memory.events', 'oom 2\noom_kill 1\n', 0],
  ['1', '4:memory:/docker/1f', 'memory/memory.oom_control', 'under_oom 0\noom_kill 5\n', 1],
])(
  'out of memory, as cgroup v%s tells: killed, and the count of its group has grown',
  async (_, line, file, text, oom) => {
    const folder = machine();
    writeFileSync(join(folder, 'proc/self/cgroup'), `${line}\n`);
    const path = join(folder, 'sys/fs/cgroup', file);
    const script = `const fs = require('fs'); fs.mkdirSync(require('path').dirname('${path}'), { recursive: true });
    fs.writeFileSync('${path}', ${JSON.stringify(text)}); process.kill(process.pid, 'SIGKILL')`;
    const roots = ['--proc', join(folder, 'proc'), '--sys', join(folder, 'sys')];
    const started = await agent([...roots, '--linger', '1h'], node(script));
    const series = await until(async () => {
      const now = await page(started);
      return now.has('fly_instance_exit_code') && now;
    });
    expect([sum(series, 'fly_instance_exit_code'), sum(series, 'fly_instance_exit_oom')]).toEqual([137, oom]);
    expect((await leave(started)).code).toBe(137);
  },
);

test('codes of shells for what cannot be started, with a sentence', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const plain = join(folder, 'plain');
  writeFileSync(plain, 'no program');
  chmodSync(plain, 0o644);
  const listen = `127.0.0.1:${await freePort()}`;
  expect(await run('agent', '--listen', listen, '--', '/no/such')).toMatchObject({
    code: 127,
    stderr: 'fly-edge: /no/such: not found\n',
  });
  expect(await run('agent', '--listen', listen, '--', plain)).toMatchObject({
    code: 126,
    stderr: `fly-edge: ${plain}: it may not be executed\n`,
  });
  expect(await run('agent', '--listen', listen, '--', `${plain}/program`)).toMatchObject({
    code: 126,
    stderr: `fly-edge: ${plain}/program: spawn ENOTDIR\n`,
  });
});

test.each([
  [['--listen', 'nowhere'], 'Write an IP address and a port'],
  [['--disk-exclude', '('], 'Write a regular expression'],
  [['--proc', '/no/such'], 'There is no such folder'],
  [['--linger', 'long'], 'Write a duration'],
])('%j is wrong usage', async (args, sentence) => {
  const { code, stderr } = await run('agent', ...args);
  expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
  expect(stderr).toContain(sentence);
});

test('a port that is taken: code 1, one line, and the app is not started', async () => {
  const { port } = await agent([]);
  const second = await run('agent', '--listen', `127.0.0.1:${port}`, '--', 'echo', 'started');
  const told = `^fly-edge: 127\\.0\\.0\\.1:${port} is in use by another process, pid \\d+ \\(node\\)\n$`;
  expect(second).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(told) });
});

test('names that the operator excludes', async () => {
  const folder = machine();
  const started = await agent(['--proc', join(folder, 'proc'), '--disk-exclude', 'vd.*|dm-\\d', '--net-exclude', '']);
  const series = await page(started);
  const devices = (name: string) => series.get(name)!.map(({ labels }) => labels.device);
  expect(devices('fly_instance_disk_time_io')).toEqual(['loop0', 'ram0', 'sda', 'sda1', 'nvme0n1', 'nvme0n1p1']);
  expect(devices('fly_instance_net_recv_bytes')).toEqual(['lo', 'eth0', 'eth1', 'veth12ab34']);
});

/** Where a control group with a limit of memory can be made; null where none can. */
function limitedGroup(): string | null {
  const group = `/sys/fs/cgroup/memory/fly-edge-${process.pid}`;
  try {
    mkdirSync(group);
    onTestFinished(() => rmdirSync(group));
    writeFileSync(join(group, 'memory.limit_in_bytes'), '150M');
    return group;
  } catch {
    return null;
  }
}

test('a real app that the kernel ends because memory runs out', async (context) => {
  const group = limitedGroup();
  if (group === null) {
    console.warn('nothing runs out of memory: no control group can be made here');
    return context.skip('no control group can be made here');
  }
  const go = join(tmpdir(), `fly-edge-go-${process.pid}`);
  onTestFinished(() => rmSync(go, { force: true }));
  const script = `const all = [], go = () => require('fs').existsSync('${go}');
    setInterval(() => { if (go()) all.push(Buffer.alloc(20e6, 1)); }, 20)`;
  const started = await agent(['--linger', '1h'], node(script));
  const agentsPid = started.process.pid!;
  for (const pid of [agentsPid, ...childrenOf(agentsPid)]) writeFileSync(join(group, 'cgroup.procs'), String(pid));
  writeFileSync(go, '');
  const series = await until(async () => {
    const now = await page(started);
    return now.has('fly_instance_exit_code') && now;
  });
  expect([sum(series, 'fly_instance_exit_code'), sum(series, 'fly_instance_exit_oom')]).toEqual([137, 1]);
  expect((await leave(started)).code).toBe(137);
});
