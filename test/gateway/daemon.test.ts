import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { answers, Daemon } from '../../src/gateway/daemon.ts';
import { until } from '../helpers/until.ts';
import { temporaryFolder } from '../supervisor/helpers.ts';

/** A program that listens, and writes what it is about. `fails`: how often it ends before it listens. */
const script = `
const { createServer } = require('node:http');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const [port, file] = process.argv.slice(2);
const starts = existsSync(file) ? Number(readFileSync(file)) : 0;
writeFileSync(file, String(starts + 1));
if (existsSync(file + '.fails') && starts > 0 && starts < 3) { console.error('no disk'); process.exit(3); }
createServer((request, response) => {
  if (request.url === '/end') { console.error('panic: BUG: no\\ngoroutine 1\\n\\tmain.go:1'); process.exit(2); }
  response.end('OK');
}).listen(Number(port), '127.0.0.1');
`;

async function engine(): Promise<{
  engine: Daemon;
  url: string;
  starts: () => number;
  file: string;
  lines: string[];
  ends: () => number;
  backs: () => number;
}> {
  const folder = temporaryFolder();
  const [port] = await freePorts(1);
  const [program, file] = [join(folder, 'engine.cjs'), join(folder, 'starts')];
  writeFileSync(program, script);
  const lines: string[] = [];
  let [ends, backs] = [0, 0];
  const engine = new Daemon({
    name: 'engine',
    program: process.execPath,
    args: [program, String(port), file],
    env: process.env,
    url: new URL(`http://127.0.0.1:${port}/health`),
    log: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    ended: () => ends++,
    back: () => backs++,
  });
  onTestFinished(() => engine.stop());
  return {
    engine,
    url: `http://127.0.0.1:${port}`,
    starts: () => Number(readFileSync(file)),
    file,
    lines,
    ends: () => ends,
    backs: () => backs,
  };
}

test('starts it, and ends it', async () => {
  const { engine: it, url } = await engine();
  expect(await it.start()).toBeNull();
  expect((await fetch(url)).ok).toBe(true);
  await it.stop();
  await expect(fetch(url)).rejects.toThrow();
});

test('one that ends is started again, each time, and says why it ended', async () => {
  const { engine: it, url, starts, lines, ends, backs } = await engine();
  await it.start();
  for (let i = 1; i <= 3; i++) {
    await fetch(`${url}/end`).catch(() => {});
    await until(() => ends() === i);
    expect(await answers(new URL(url), performance.now() + 5_000)).toBe(true);
    expect(starts()).toBe(i + 1);
    await until(() => backs() === i, 'word that it is back');
  }
  expect(JSON.parse(lines[0]!)).toMatchObject({ code: 2, signal: null, reason: 'panic: BUG: no' });
});

test('one that does not come up is started for as long as it takes', async () => {
  const { engine: it, url, starts, file, lines } = await engine();
  await it.start();
  writeFileSync(`${file}.fails`, '');
  await fetch(`${url}/end`).catch(() => {});
  await until(() => starts() === 4, 'the fourth start', 20_000);
  expect(await answers(new URL(url), performance.now() + 5_000)).toBe(true);
  expect(lines.map((line) => JSON.parse(line).reason)).toEqual(['panic: BUG: no', 'no disk', 'no disk']);
});

test('what cannot be started is said', async () => {
  const url = new URL('http://127.0.0.1:9/');
  const log = pino({ enabled: false });
  const missing = new Daemon({ name: 'engine', program: '/nowhere/engine', args: [], env: process.env, url, log });
  expect(await missing.start()).toMatch(/^\/nowhere\/engine does not start: .*ENOENT/);
  const ends = new Daemon({
    name: 'engine',
    program: process.execPath,
    args: ['-e', 'console.error("no lock"); process.exit(1)'],
    env: process.env,
    url,
    log,
  });
  expect(await ends.start()).toMatch(/does not start: no lock$/);
});

test('what answers at its address already is not taken for it', async () => {
  const { engine: it, url, file } = await engine();
  const server = createServer((_request, response) => void response.end()).listen(
    Number(new URL(url).port),
    '127.0.0.1',
  );
  onTestFinished(() => void server.close());
  await until(() => server.listening);
  expect(await it.start()).toMatch(/something answers at .* already/);
  expect(existsSync(file)).toBe(false);
});
