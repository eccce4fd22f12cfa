/** What signals do: drain, reopen the log, or nothing; and never open an inspector. */

import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { config, instance as httpInstance } from '../cli/helpers.ts';
import { Edge } from '../helpers/edge.ts';
import { Installation } from '../helpers/installation.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

/** Listening TCP sockets that a process holds, by inode. */
function listening(pid: number): string[] {
  const inodes = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6']
      .filter((path) => existsSync(path))
      .flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(1))
      .map((line) => line.trim().split(/ +/))
      .filter((columns) => columns[3] === '0A')
      .map((columns) => columns[9]),
  );
  const held: string[] = [];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) held.push(inode);
    } catch {
      // Closed meanwhile.
    }
  }
  return [...new Set(held)].sort();
}

test('SIGUSR1 opens no inspector in any process, SIGUSR2 ends none, SIGQUIT drains what is in flight', async () => {
  const instance = await RawInstance.start();
  onTestFinished(() => instance.stop());
  const edge = await Edge.start({ apps: [{ name: 'demo', instances: [{ id: 'aa', port: instance.port }] }] });
  onTestFinished(async () => {
    if (edge.child.exitCode === null && edge.child.signalCode === null) await edge.stop();
  });
  const [worker] = (await edge.pids()) as [number];
  const supervisor = edge.child.pid!;
  const before = [supervisor, worker].map(listening);
  expect(before[0]!.length).toBeGreaterThan(0);

  const client = await rawClient(edge.port());
  client.send(get('/slow'));
  const peer = await instance.accept();
  await peer.head();

  for (const pid of [worker, supervisor]) {
    process.kill(pid, 'SIGUSR1');
    process.kill(pid, 'SIGUSR2');
  }
  process.kill(worker, 'SIGQUIT');
  await until(() => edge.log.some(({ signal }) => signal === 'SIGUSR1'), 'SIGUSR1 to be noticed');
  await until(() => edge.log.some(({ signal }) => signal === 'SIGUSR2'), 'SIGUSR2 to be noticed');
  // The worker answers, so it has gone through its signals.
  await edge.scrape();
  expect([supervisor, worker].map(listening)).toEqual(before);
  expect(await edge.pids()).toEqual([worker]);

  const exited = once(edge.child, 'exit');
  process.kill(supervisor, 'SIGQUIT');
  await until(() => edge.log.some(({ signal }) => signal === 'SIGQUIT'), 'the drain to begin');
  peer.send(answer('late'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'late' });
  client.end();
  expect(await exited).toEqual([0, null]);
});

test('a log file that was moved is opened anew by every process, and one that was truncated begins at its start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'edge.log');
  const instance = await RawInstance.start((peer) => {
    peer.socket.on('data', () => peer.send(answer()));
  });
  onTestFinished(() => instance.stop());
  const edge = await Edge.start({
    apps: [{ name: 'demo', instances: [{ id: 'aa', port: instance.port }] }],
    access: true,
    logFile: file,
  });
  onTestFinished(() => edge.stop());
  const lines = (path: string): Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  /** One error and one line of the access log. */
  const refuse = async () => {
    const client = await rawClient(edge.port());
    client.send(request('GET', '/', '', '', 'nobody.test'));
    expect((await client.response()).status).toBe(404);
    client.end();
  };
  const both = (path: string) =>
    existsSync(path) &&
    lines(path).some(({ code }) => code === 'unknown_host') &&
    lines(path).some(({ error }) => error === 'unknown_host');

  await refuse();
  await until(() => both(file), 'both kinds of lines');
  renameSync(file, `${file}.1`);
  process.kill(edge.child.pid!, 'SIGUSR1');
  await until(() => existsSync(file) && lines(file).some(({ signal }) => signal === 'SIGUSR1'), 'the new file');
  const moved = lines(`${file}.1`).length;
  // The scrape follows the order to reopen on the same channel.
  await edge.scrape();
  await refuse();
  await until(() => both(file), 'both kinds of lines in the new file');
  expect(lines(`${file}.1`)).toHaveLength(moved);

  truncateSync(file);
  await refuse();
  await until(() => both(file), 'both kinds of lines after the truncation');
  expect(readFileSync(file, 'utf8')[0]).toBe('{');
  expect(edge.log).toEqual([]);
});

test('an error that nothing in the supervisor catches is told as fatal; it serves on, flips and is scraped', async () => {
  const installation = new Installation();
  installation.change(
    'src/cli/serve.ts',
    '  keepCompiled();',
    "  keepCompiled();\n  setTimeout(() => { throw new Error('stray'); }, 1);\n  void Promise.reject(new Error('stray too'));",
  );
  const made = await config(await httpInstance());
  const edge = await installation.serve(made);
  const fatal = () => edge.program.stderr.split('\n').filter((line) => line.includes('"level":"fatal"'));
  await until(() => fatal().length === 2, 'both are told');
  expect(fatal().join('\n')).toMatch(/"stray"[\s\S]*"stray too"|"stray too"[\s\S]*"stray"/);
  expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
  expect(await installation.run('restart', '--config', made.file)).toMatchObject({ code: 0 });
  expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
  await edge.scrape();
  expect(edge.program.process.exitCode).toBeNull();
});
