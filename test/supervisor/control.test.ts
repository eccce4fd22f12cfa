import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type ControlResponse, type ControlSocket, control, openControlSocket } from '../../src/supervisor/control.ts';
import { temporaryFolder } from './helpers.ts';

const stopped: ControlResponse<'stop'> = { ok: true, cut: 0 };

async function open(path: string): Promise<ControlSocket> {
  const server = await openControlSocket(path, async () => stopped);
  if ('fault' in server) throw new Error(server.fault);
  onTestFinished(() => void server.close());
  return server;
}

test('only the owner may connect, from the first moment; closing removes the file', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  const server = await open(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await control(path, { command: 'stop' })).toEqual(stopped);
  await server.close();
  expect(existsSync(path)).toBe(false);
});

test('a socket that a killed process left is replaced', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  const script = join(temporaryFolder(), 'listen.mjs');
  writeFileSync(
    script,
    `import net from 'node:net'; net.createServer().listen(process.argv[2], () => process.send('listening'));`,
  );
  const dead = fork(script, [path], { execArgv: [] });
  await once(dead, 'message');
  dead.kill('SIGKILL');
  await once(dead, 'exit');
  expect(existsSync(path)).toBe(true);
  await open(path);
  expect(await control(path, { command: 'stop' })).toEqual(stopped);
});

test('one that somebody answers on is not replaced', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  await open(path);
  expect(await openControlSocket(path, async () => stopped)).toEqual({
    fault: `control socket ${path}: an edge with this configuration is running already`,
  });
  expect(await control(path, { command: 'stop' })).toEqual(stopped);
});

test('one that lives is taken over: clients reach the new one at every moment, and the old one leaves it alone', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  const old = await open(path);
  const server = await openControlSocket(path, async () => ({ ok: false, reason: 'the new one' }), true);
  if ('fault' in server) throw new Error(server.fault);
  expect([old.reached, server.reached]).toEqual([false, true]);
  await old.close();
  expect(await control(path, { command: 'stop' })).toEqual({ ok: false, reason: 'the new one' });
  await server.close();
  expect(existsSync(path)).toBe(false);
});

test('a file that is no socket is left alone', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  writeFileSync(path, 'precious');
  expect(await openControlSocket(path, async () => stopped)).toMatchObject({
    fault: expect.stringContaining('not a socket'),
  });
  expect(existsSync(path)).toBe(true);
});

test.for(['nonsense', '{"command":"format"}', 'null'])('%s is no command', async (line) => {
  const path = join(temporaryFolder(), 'edge.sock');
  await open(path);
  const socket = net.connect(path).setEncoding('utf8');
  socket.write(`${line}\n`);
  const [answer] = await once(socket, 'data');
  expect(JSON.parse(answer)).toEqual({ ok: false, reason: 'no such command' });
});

test.for([
  '{"command":"upgrade","program":5}',
  '{"command":"upgrade","program":["node"]}',
  '{"command":"upgrade","program":["node","main.ts",3]}',
  '{"command":"upgrade","program":["",""]}',
  '{"command":"restart","config":7}',
  '{"command":"restart","config":{}}',
  '{"command":"restart","config":"edge.toml"}',
  '{"command":"restart","config":"/tmp/a\\u0000b"}',
  '{"command":["restart"]}',
  '["restart"]',
])('%s: what a command says is checked before anything is done', async (line) => {
  const path = join(temporaryFolder(), 'edge.sock');
  let handled = 0;
  const server = await openControlSocket(path, async () => {
    handled++;
    return stopped;
  });
  if ('fault' in server) throw new Error(server.fault);
  onTestFinished(() => void server.close());
  const socket = net.connect(path).setEncoding('utf8');
  socket.write(`${line}\n`);
  const [answer] = await once(socket, 'data');
  expect(JSON.parse(answer)).toMatchObject({ ok: false, reason: expect.any(String) });
  expect(handled).toBe(0);
});

test('a command that throws is answered with its reason, and the next one is served', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  let first = true;
  const server = await openControlSocket(path, () => {
    if (!first) return Promise.resolve(stopped);
    first = false;
    throw new RangeError('injected');
  });
  if ('fault' in server) throw new Error(server.fault);
  onTestFinished(() => void server.close());
  expect(await control(path, { command: 'stop' })).toEqual({ ok: false, reason: 'internal: injected' });
  expect(await control(path, { command: 'stop' })).toEqual(stopped);
});

test('an answer is as long as it has to be', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  const changes = Array.from({ length: 20_000 }, (_, i) => `instance ${i} of an edge with many, in \u{1f30d}`);
  const server = await openControlSocket(path, async () => ({ ok: true, changes }));
  if ('fault' in server) throw new Error(server.fault);
  onTestFinished(() => void server.close());
  expect(await control(path, { command: 'restart' })).toEqual({ ok: true, changes });
});

test('a command longer than any is refused', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  await open(path);
  const socket = net.connect(path);
  socket.on('error', () => {}).write('x'.repeat(200_000));
  await new Promise((resolve) => socket.once('close', resolve));
  expect(await control(path, { command: 'stop' })).toEqual(stopped);
});

test('nobody there', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  expect(await control(path, { command: 'status' })).toEqual({
    ok: false,
    reason: `no edge is running (control socket ${path})`,
  });
});
