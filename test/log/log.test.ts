import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

const log = new URL('../../src/log/log.ts', import.meta.url).href;

/** A process of its own, since the logs are its stdout and stderr. */
function run(code: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `import * as log from '${log}'; ${code}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return child;
}

test('events go to stderr, the access log to stdout, and an exit loses no line', async () => {
  const child = run(`
    const events = log.eventLog({ slot: 'blue' });
    const access = log.accessLog();
    for (let i = 0; i < 1000; i++) { events.warn({ i }, 'event'); access.info({ i }); }
    log.flushLogs();
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
    log.flushLogs();
    process.exit(0);`);
  child.stdout.destroy();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});
