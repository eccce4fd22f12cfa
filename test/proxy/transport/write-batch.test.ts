import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';

let batch: typeof import('../../../src/proxy/transport/write-batch.ts');
let TcpSocket: typeof import('../../../src/proxy/transport/tcp-socket.ts').TcpSocket;

beforeEach(async () => {
  vi.resetModules();
  batch = await import('../../../src/proxy/transport/write-batch.ts');
  ({ TcpSocket } = await import('../../../src/proxy/transport/tcp-socket.ts'));
});

/** What was begun in this turn of the event loop has ended. */
const endOfTurn = () => new Promise((resolve) => setImmediate(resolve));
const nobody = { flush() {} };

/** How many of a turn's writes are kept. */
async function turn(writes: number): Promise<number> {
  let kept = 0;
  for (let i = 0; i < writes; i++) if (batch.keepForBatch(nobody)) kept++;
  await endOfTurn();
  return kept;
}

async function busy(): Promise<void> {
  for (let i = 0; i < 1000; i++) if ((await turn(50)) === 50) return;
  throw new Error('never batched');
}

test('few writes a turn go out at once, however many turns there are', async () => {
  let kept = 0;
  for (let i = 0; i < 500; i++) kept += await turn(7);
  expect(kept).toBe(0);
});

test('many writes a turn are kept until its end, and flushed in order, each once', async () => {
  await busy();
  const flushed: number[] = [];
  for (let i = 0; i < 20; i++) expect(batch.keepForBatch({ flush: () => flushed.push(i) })).toBe(true);
  expect(flushed).toEqual([]);
  await endOfTurn();
  expect(flushed).toEqual(Array.from({ length: 20 }, (_, i) => i));
  await endOfTurn();
  expect(flushed).toHaveLength(20);
});

test('what is written because of a flush goes out in the same turn', async () => {
  await busy();
  const flushed: string[] = [];
  const second = { flush: () => flushed.push('second') };
  const first = {
    flush() {
      flushed.push('first');
      batch.keepForBatch(second);
    },
  };
  batch.keepForBatch(first);
  await endOfTurn();
  expect(flushed).toEqual(['first', 'second']);
});

test('a lull ends it, and many writes bring it back; a turn between them does not', async () => {
  await busy();
  expect(await turn(1)).toBe(1);
  expect(await turn(50)).toBe(50);
  let quiet = 0;
  while ((await turn(1)) === 1) quiet++;
  expect(quiet).toBeGreaterThan(1);
  expect(quiet).toBeLessThan(100);
  await busy();
});

/** A connected socket in a process whose writes are kept, and all that its peer gets. */
async function connected() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const socket = new TcpSocket(null);
  socket.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [peer] = (await accepted) as [net.Socket];
  if (socket.connecting) await once(socket, 'connect');
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  await busy();
  return { socket, received: text(peer) };
}

test('text and bytes arrive in the order in which they were written', async () => {
  const { socket, received } = await connected();
  socket.send('one ');
  expect(socket.unsent).toBe(true);
  expect(socket.bytesOut).toBe(0);
  socket.send('two ');
  socket.sendBytes(Buffer.from('three '), 0, 6);
  expect(socket.bytesOut).toBe(14);
  socket.send('four ');
  await endOfTurn();
  expect(socket.unsent).toBe(false);
  expect(socket.bytesOut).toBe(19);
  socket.send('five');
  socket.end();
  expect(await received).toBe('one two three four five');
});

test.each(['end', 'destroy'] as const)('%s writes what was kept, and counts it', async (ending) => {
  const { socket, received } = await connected();
  const closed = once(socket, 'close');
  socket.send('the last words');
  socket[ending]();
  expect(await received).toBe('the last words');
  socket.destroy();
  await closed;
  expect(socket.bytesOut).toBe(14);
});

test('one socket keeps a bounded amount: the rest is told to wait as ever', async () => {
  const { socket } = await connected();
  const answer = 'x'.repeat(1000);
  let sent = 0;
  while (socket.bytesOut === 0) {
    socket.send(answer);
    sent += 1000;
    expect(sent).toBeLessThan(64 * 1024);
  }
  expect(socket.bytesOut).toBe(sent);
});
