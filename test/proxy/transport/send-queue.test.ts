import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendQueue } from '../../../src/proxy/transport/send-queue.ts';
import { until } from '../../helpers/until.ts';

const server = createServer({ pauseOnConnect: true });
beforeAll(() => once(server.listen(0, '::'), 'listening'));
afterAll(() => server.close());

const fdOf = (socket: Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd;
const kept = (socket: Socket) => new Promise<number>((resolve) => sendQueue(fdOf(socket), resolve));

test.each(['127.0.0.1', '::1'])('what the peer at %s has not taken is known', async (host) => {
  const accepted = once(server, 'connection');
  const socket = connect({ port: (server.address() as AddressInfo).port, host });
  await once(socket, 'connect');
  const [peer] = (await accepted) as [Socket];
  const other = connect({ port: (server.address() as AddressInfo).port, host });
  await once(other, 'connect');
  expect(await Promise.all([kept(socket), kept(other)])).toEqual([0, 0]);
  const size = 20_000_000;
  socket.write(Buffer.alloc(size));
  await until(async () => (await kept(socket)) > 0);
  expect(await Promise.all([kept(other), kept(socket)])).toEqual([0, expect.any(Number)]);
  peer.resume();
  await until(async () => socket.writableLength === 0 && (await kept(socket)) === 0);
  for (const each of [socket, other, peer]) each.destroy();
});

test('of what is no socket nothing is known', async () => {
  expect(await new Promise<number>((resolve) => sendQueue(999_999, resolve))).toBe(-1);
  expect(await new Promise<number>((resolve) => sendQueue(-1, resolve))).toBe(-1);
});
