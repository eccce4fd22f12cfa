import { expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { get, request } from '../helpers/messages.ts';
import { memoryOf, resetPeak, workersOf } from '../helpers/processes.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

const megabyte = 1024 * 1024;
const size = 256 * megabyte;
/** What a worker may grow by, whatever passes through it. */
const growth = 64 * megabyte;

let edge: Edge;
let instance: RawInstance;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    return { apps: [{ name: 'demo', fly: service(), instances }] };
  },
  (made) => ({ edge, instance } = made),
);
/** Each block differs, so that bytes lost, repeated or moved are seen. */
const block = (i: number) => Buffer.alloc(megabyte, String.fromCharCode(65 + (i % 26)));
const expected = (offset: number) => 65 + (Math.floor(offset / megabyte) % 26);

/** Writes `total` bytes as fast as they are taken. */
async function pour(socket: RawSocket, total: number): Promise<void> {
  for (let i = 0; i < total / megabyte; i++) {
    if (!socket.socket.write(block(i))) await new Promise((resolve) => socket.socket.once('drain', resolve));
  }
}

/** Reads and checks `total` bytes: nothing at first, until `stalled`, then all. */
async function drain(socket: RawSocket, total: number, stalled: Promise<void>): Promise<void> {
  let length = 0;
  let wrong = -1;
  socket.socket.pause();
  socket.socket.removeAllListeners('data');
  const early = Buffer.from(socket.take(), 'latin1');
  const look = (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += 1000) if (bytes[at] !== expected(length + at)) wrong = length + at;
    length += bytes.length;
  };
  look(early);
  await stalled;
  socket.socket.on('data', look).resume();
  await until(() => length >= total, 'all bytes', 60_000);
  expect(length).toBe(total);
  expect(wrong).toBe(-1);
}

/** Resolves when a writer has got nowhere for a while: every buffer on the way is full. */
async function stall(writer: RawSocket): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until(
    () => {
      const written = writer.socket.bytesWritten - writer.socket.writableLength;
      if (written !== last) since = performance.now();
      last = written;
      return performance.now() - since > 500;
    },
    'the writer to be stopped',
    30_000,
  );
  expect(last).toBeLessThan(size / 4);
}

test.each(['length', 'chunked', 'until close'])(
  'a download (%s) to a slow reader takes constant memory',
  async (framing) => {
    const watch = await edge.watch();
    const [worker] = workersOf(edge) as [number];
    await instance.forget();
    const client = await rawClient(edge.port());
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    const fields = {
      length: `Content-Length: ${size}\r\n`,
      chunked: 'Transfer-Encoding: chunked\r\n',
      'until close': '',
    }[framing];
    peer.send(`HTTP/1.1 200 OK\r\n${fields}\r\n`);
    await client.head();
    // One chunk of the whole size: its line first, its end later.
    if (framing === 'chunked') {
      peer.send(`${size.toString(16)}\r\n`);
      await client.through('\r\n');
    }
    resetPeak(worker);
    const before = memoryOf(worker).now;
    await Promise.all([pour(peer, size), drain(client, size, stall(peer))]);
    expect(memoryOf(worker).peak - before).toBeLessThan(growth);
    if (framing === 'chunked') peer.send('\r\n0\r\n\r\n');
    if (framing === 'until close') peer.end();
    client.end();
    await watch.moved({ 'edge 200': 1, 'app 200': 1 });
  },
  90_000,
);

test.each(['length', 'chunked'])(
  'an upload (%s) to a slow instance takes constant memory',
  async (framing) => {
    const watch = await edge.watch();
    const [worker] = workersOf(edge) as [number];
    await instance.forget();
    const client = await rawClient(edge.port());
    client.send(
      request('POST', '/', framing === 'length' ? `Content-Length: ${size}\r\n` : 'Transfer-Encoding: chunked\r\n'),
    );
    const peer = await instance.accept();
    await peer.head();
    if (framing === 'chunked') {
      client.send(`${size.toString(16)}\r\n`);
      await peer.through('\r\n');
    }
    resetPeak(worker);
    const before = memoryOf(worker).now;
    await Promise.all([pour(client, size), drain(peer, size, stall(client))]);
    expect(memoryOf(worker).peak - before).toBeLessThan(growth);
    if (framing === 'chunked') client.send('\r\n0\r\n\r\n');
    peer.send('HTTP/1.1 204 No Content\r\n\r\n');
    expect((await client.response()).status).toBe(204);
    client.end();
    await watch.moved({ 'edge 204': 1, 'app 204': 1 });
  },
  90_000,
);

test('pipelined requests behind a slow one take constant memory, and are all answered', async () => {
  const watch = await edge.watch();
  const [worker] = workersOf(edge) as [number];
  await instance.forget();
  const count = 20_000;
  const client = await rawClient(edge.port());
  client.send(get('/slow'));
  const peer = await instance.accept();
  await peer.head();
  resetPeak(worker);
  const before = memoryOf(worker).now;
  const pipelined = Buffer.from(get('/next', `X-Filler: ${'x'.repeat(1000)}\r\n`).repeat(count));
  client.socket.write(pipelined);
  await stall(client);
  expect(memoryOf(worker).peak - before).toBeLessThan(growth);
  const respond = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  peer.socket.removeAllListeners('data');
  peer.socket.on('data', (bytes: Buffer) => {
    for (let at = bytes.indexOf('\r\n\r\n'); at >= 0; at = bytes.indexOf('\r\n\r\n', at + 4))
      peer.socket.write(respond);
  });
  let answered = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (bytes: Buffer) => {
    for (let at = bytes.indexOf('HTTP/1.1 200'); at >= 0; at = bytes.indexOf('HTTP/1.1 200', at + 4)) answered++;
  });
  peer.socket.write(respond);
  await until(() => answered === count + 1, 'all answers', 60_000);
  client.end();
  await watch.moved({ 'edge 200': count + 1, 'app 200': count + 1 });
}, 90_000);

test('interim responses without end to a slow reader take constant memory', async () => {
  const watch = await edge.watch();
  const [worker] = workersOf(edge) as [number];
  await instance.forget();
  const client = await rawClient(edge.port());
  client.send(get());
  client.socket.pause();
  const peer = await instance.accept();
  await peer.head();
  resetPeak(worker);
  const before = memoryOf(worker).now;
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${'x'.repeat(900)}>\r\n\r\n`;
  const hints = Buffer.from(hint.repeat(size / hint.length));
  peer.socket.write(hints);
  await stall(peer);
  expect(memoryOf(worker).peak - before).toBeLessThan(growth);
  client.socket.removeAllListeners('data');
  let length = 0;
  let last = '';
  client.socket.on('data', (bytes: Buffer) => {
    length += bytes.length;
    last = bytes.toString('latin1');
  });
  client.socket.resume();
  peer.send('HTTP/1.1 204 No Content\r\n\r\n');
  await until(() => last.includes('204 No Content'), 'the final answer', 60_000);
  expect(length).toBeGreaterThan(hints.length);
  client.end();
  await watch.moved({ 'edge 204': 1, 'app 204': 1 });
}, 90_000);
