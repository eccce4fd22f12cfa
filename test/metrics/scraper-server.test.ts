import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createScraperServer } from '../../src/metrics/scraper-server.ts';

const most = 4;

async function start(answer: (response: ServerResponse) => void): Promise<number> {
  const known = { hosts: () => [], key: '' };
  const server = createScraperServer(most, known, (_request, response) => answer(response));
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function silent(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const page = async (port: number, headers = {}) => (await fetch(`http://127.0.0.1:${port}/`, { headers })).text();

// 128 of them kept /healthz out for 5.5 s.
test('connections that send nothing keep nobody out: the one that came first makes room', async () => {
  const port = await start((response) => response.end('page'));
  const sockets: Socket[] = [];
  for (let i = 0; i < most; i++) sockets.push(await silent(port));
  const first = text(sockets[0]!);
  expect(await page(port, { connection: 'close' })).toBe('page');
  expect(await first).toBe('');
  expect(sockets.slice(1).map(({ closed }) => closed)).toEqual(Array(most - 1).fill(false));
});

test('who is being answered makes no room', async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let answers = 0;
  const port = await start(async (response) => {
    if (++answers === most) asked.resolve();
    await gate.promise;
    response.end('page');
  });
  const answered = Array.from({ length: most }, () => page(port));
  await asked.promise;
  expect(await text(await silent(port)).catch(() => '')).toBe('');
  gate.resolve();
  expect(await Promise.all(answered)).toEqual(Array(most).fill('page'));
});

// Node looked for late requests only every 30 s.
test('connections that send nothing are closed after a few seconds', { timeout: 25_000 }, async () => {
  const port = await start((response) => response.end('page'));
  const cut = Array.from({ length: most }, async () => text(await silent(port)));
  expect(await Promise.all(cut)).toEqual(Array(most).fill(expect.stringContaining('408 Request Timeout')));
});
