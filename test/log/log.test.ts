import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';

const log = new URL('../../src/log/log.ts', import.meta.url).href;

/** A process of its own, since the logs are its stdout and stderr. @param to a path that both are, instead of pipes. */
function run(code: string, to?: string) {
  const output = to === undefined ? 'pipe' : openSync(to, 'w');
  const program = `import * as log from '${log}'; ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', output, output] });
  if (typeof output === 'number') closeSync(output);
  return child as ChildProcessByStdio<null, Readable, Readable>;
}

const many = `
    const [events, access] = [log.eventLog({}), log.accessLog()];
    for (let i = 0; i < 1000; i++) { events.warn({ path: 'x'.repeat(1000) }, 'event'); access.info({ path: 'x'.repeat(1000) }); }`;

test('events go to stderr, the access log to stdout, and an exit loses no line', async () => {
  const child = run(`
    const events = log.eventLog({ slot: 'blue' });
    const access = log.accessLog();
    for (let i = 0; i < 1000; i++) { events.warn({ i }, 'event'); access.info({ i }); }
    await log.flushLogs();
    process.exit(0);`);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (data) => (stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (stderr += data));
  await once(child, 'close');
  const lines = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  expect(lines(stderr).map(({ i }) => i)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(lines(stdout).map(({ i }) => i)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(lines(stderr)[0]).toMatchObject({ level: 'warn', slot: 'blue', msg: 'event', pid: child.pid });
  expect(Object.keys(lines(stdout)[0])).toEqual(['level', 'time', 'i']);
});

test('a full disk does not hold up the end', async () => {
  const child = run(`${many} await log.flushLogs(); process.exit(7);`, '/dev/full');
  expect(await once(child, 'exit')).toEqual([7, null]);
}, 20_000);

test('nor do pipes that nobody reads, and what is in them is whole lines', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // A reader that doesn't read.
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const events = run(
    `const events = log.eventLog({});
    for (let i = 0; i < 1000; i++) events.warn({ path: 'x'.repeat(1000) }, 'event');
    if (await log.flushLogs()) process.exit(7);`,
    pipe,
  );
  expect(await once(events, 'exit')).toEqual([7, null]);
  const bytes = Buffer.alloc(1_000_000);
  const lines = bytes.toString('latin1', 0, readSync(reader, bytes)).split('\n').slice(0, -1);
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) expect(JSON.parse(line).msg).toBe('event');
  // A thread is in a write to stdout, whose description others share: nothing but a signal ends that.
  const child = run(`${many} if (await log.flushLogs()) process.exit(7); process.kill(process.pid, 'SIGKILL');`, pipe);
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  closeSync(reader);
}, 20_000);

test('nobody who reads: the process goes on, in bounded memory', async () => {
  const child = run(`
    const access = log.accessLog();
    const path = 'x'.repeat(1000);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 100; i++) {
      for (let j = 0; j < 1000; j++) access.info({ path });
      await new Promise(setImmediate);
    }
    process.stderr.write(String(process.memoryUsage().rss - before));
    process.kill(process.pid, 'SIGKILL');`);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (data) => (stderr += data));
  await once(child.stderr, 'end');
  // 100 MB of lines were written.
  expect(Number(stderr)).toBeGreaterThan(0);
  expect(Number(stderr)).toBeLessThan(80_000_000);
});

test('a reader that leaves does not end the process', async () => {
  const child = run(`
    const access = log.accessLog();
    for (let i = 0; i < 100; i++) {
      access.info({ path: 'x'.repeat(5000) });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await log.flushLogs();
    process.exit(0);`);
  child.stdout.destroy();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});
