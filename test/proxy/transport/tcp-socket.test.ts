import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TcpHandle } from '../../../src/base/tcp-handle.ts';
import { TcpSocket } from '../../../src/proxy/transport/tcp-socket.ts';
import { until } from '../../helpers/until.ts';

const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
let socket: TcpSocket;
let peer: Socket;
let closed: number;
let reset: boolean;

beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
afterAll(() => server.close());
beforeEach(async () => {
  closed = 0;
  reset = false;
  socket = new TcpSocket(null);
  socket.owner = { onBytes: () => true, onEnd() {}, onDrain() {}, onClose: () => closed++ };
  const accepted = once(server, 'connection');
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  [peer] = (await accepted) as [Socket];
  peer.on('error', () => (reset = true));
});

/** Writes until the kernel takes no more. */
function fill(): void {
  const bytes = Buffer.alloc(64 * 1024);
  while (!socket.stalled) socket.sendBytes(bytes, 0, bytes.length);
}

// libuv refuses to reset what it is shutting down, and Node then forgets the descriptor without a word.
describe('RST after FIN', () => {
  test('that waits for what was written to be taken is sent, and the end is told', async () => {
    fill();
    socket.end();
    await new Promise(setImmediate);
    socket.resetAndDestroy();
    await until(() => closed === 1);
    peer.resume();
    await until(() => reset, 'RST');
  });

  test('that waits in the stream is sent, and the end is told', async () => {
    fill();
    socket.send('through the stream');
    socket.end();
    await new Promise(setImmediate);
    socket.resetAndDestroy();
    await until(() => closed === 1);
    peer.resume();
    await until(() => reset, 'RST');
  });

  test('in the same turn closes it, and the end is told', async () => {
    socket.end();
    socket.resetAndDestroy();
    await until(() => closed === 1);
  });

  test('in a turn soon after closes it, and the end is told', async () => {
    for (const wait of [(then: () => void) => process.nextTick(then), queueMicrotask, setImmediate]) {
      closed = 0;
      const another = new TcpSocket(null);
      another.owner = socket.owner;
      another.connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(another, 'connect');
      another.end();
      await new Promise<void>((resolve) => void wait(resolve));
      another.resetAndDestroy();
      await until(() => closed === 1);
    }
    closed = 0;
    socket.destroy();
    await until(() => closed === 1);
  });

  test('destroyed while it waits, it is closed once', async () => {
    fill();
    socket.end();
    await new Promise(setImmediate);
    socket.destroy();
    socket.resetAndDestroy();
    await until(() => closed === 1);
    expect((socket as unknown as { _handle: TcpHandle | null })._handle).toBeNull();
  });
});

test('FIN follows what was written, however long that takes', async () => {
  fill();
  socket.end();
  let ended = false;
  let bytes = 0;
  peer.on('data', ({ length }: Buffer) => (bytes += length)).on('end', () => (ended = true));
  peer.resume();
  await until(() => ended, 'FIN');
  expect(bytes).toBe(socket.bytesOut);
  expect(bytes % (64 * 1024)).toBe(0);
  peer.end();
  await until(() => closed === 1);
});
