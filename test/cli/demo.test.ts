import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { isDeepStrictEqual, promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { until } from '../supervisor/helpers.ts';
import { bin, run, start } from './helpers.ts';

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 });

test('the demo: what it prints can be opened', async () => {
  const program = start(['demo']);
  await until(() => program.stdout.includes('Ctrl-C') || program.process.exitCode !== null);
  if (program.process.exitCode !== null) {
    // Its control socket is that of config/edge.toml, which an edge on this machine may have.
    expect(program.stderr).toContain('is running already');
    return;
  }
  const base = /curl (http:\S+)\/\n/.exec(program.stdout)![1]!;
  const bodies = new Set<string>();
  for (let i = 0; i < 20; i++) bodies.add(await (await fetch(base)).text());
  expect(bodies.size).toBe(2);
  expect((await fetch(`${base}/status/503`)).status).toBe(503);
  expect((await fetch(`${base}/status/204`)).status).toBe(204);
  expect(await (await fetch(`${base}/slow?ms=1`)).text()).toMatch(/^1 ms later/);
  expect((await (await fetch(`${base}/bytes?n=1000001`)).arrayBuffer()).byteLength).toBe(1_000_001);
  expect(await (await fetch(`${base}/echo`, { method: 'POST', body: 'hello' })).text()).toBe('hello');
  expect((await fetch(`${base}/nothing`)).status).toBe(404);
  expect(await echo(new URL(base))).toBe('hello');
  const metrics = /http:\S+\/metrics/.exec(program.stdout)![0];
  expect(await (await fetch(metrics)).text()).toContain('status="503"} 1\n');
  if (existsSync('/usr/bin/victoria-metrics')) {
    await asks(program.stdout, base);
    await tellsInstances(program.stdout);
  } else expect(program.stdout).toContain('apt-get install victoria-metrics');
  // The README's next lines, beside it: who leads it is not replaced, since its instances and storage would go.
  const upgraded = await run('upgrade', '--config', 'config/edge.toml');
  expect(upgraded).toMatchObject({ code: 1, stderr: expect.stringContaining('the demo is not upgraded') });
  expect(bodies).toContain(await (await fetch(base)).text());
  program.process.kill('SIGINT');
  expect((await program.ended).code).toBe(0);
});

/** The series of both instances' agents, in the storage with their labels. */
async function tellsInstances(printed: string): Promise<void> {
  const [line] = /curl -s http:\S+\/query .*\n.*fly_instance_memory_mem_available'/.exec(printed)!;
  const instances = await until(async () => {
    const { stdout } = await promisify(execFile)('bash', ['-c', line]);
    const { data } = JSON.parse(stdout) as { data: { result: { metric: Record<string, string> }[] } };
    return data.result.length === 2 && data.result.map(({ metric }) => metric);
  }, 20_000);
  const labels = { __name__: 'fly_instance_memory_mem_available', app: 'demo', region: 'iad', host: '2bc3' };
  const ids = ['148e21ea7e5068', '3d8d9014b32768'];
  for (const instance of ids) expect(instances).toContainEqual(expect.objectContaining({ ...labels, instance }));
}

/** What it prints to curl, and the lines of the README, with the ports that it found. */
async function asks(printed: string, base: string): Promise<void> {
  const [line] = /curl -s http:\S+\/query .*\n.*/.exec(printed)!;
  const [readme] = /TOKEN=.*\n.*\n.*by \(app, status\)'/.exec(await readFile('README.md', 'utf8'))!;
  const api = /http:\/\/\S+?(?=\/prometheus)/.exec(line)![0];
  const lines = [
    line,
    readme.replace('http://127.0.0.1:9092', api).replace('npx fly-edge', `${process.execPath} ${bin}`),
  ];
  for (const script of lines) {
    await until(async () => {
      await fetch(`${base}/status/404`);
      const { stdout } = await promisify(execFile)('bash', ['-c', script]);
      const { data } = JSON.parse(stdout) as { data: { result: { metric: object; value: [number, string] }[] } };
      const found = data.result.find(({ metric }) => isDeepStrictEqual(metric, { app: 'demo', status: '404' }));
      return Number(found?.value[1] ?? 0) > 0;
    }, 20_000);
  }
}

/** What the WebSocket at /ws answers to `hello`. */
async function echo({ hostname, port, host }: URL): Promise<string> {
  const socket = net.connect(Number(port), hostname);
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  const [head] = await once(socket, 'data');
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  expect(String(head)).toContain(`Sec-WebSocket-Accept: ${accept}`);
  const mask = [1, 2, 3, 4];
  const masked = Buffer.from('hello').map((byte, i) => byte ^ mask[i % 4]!);
  socket.write(Buffer.from([0x81, 0x80 | 5, ...mask, ...masked]));
  const [frame] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect([...frame.subarray(0, 2)]).toEqual([0x81, 5]);
  return String(frame.subarray(2));
}
