/** What HTTP connections of the old slot see in a flip: nothing, but a `Connection: close` in time. */

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { drainSilence, drainWindow } from '../../src/proxy/drain.ts';
import { sweepInterval } from '../../src/proxy/transport/clock.ts';
import { Edge, service } from '../helpers/edge.ts';
import { HttpInstance, RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';
import type { Moved, Watch } from '../helpers/watch.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let edge: Edge;
/** Played by hand: an answer comes when the test says so. */
let instance: RawInstance;
let echo: HttpInstance;
let watch: Watch;
let client: RawSocket;

beforeAll(async () => {
  instance = await RawInstance.start();
  echo = await HttpInstance.start();
  const secure = service({ more: 'force_https = true' });
  edge = await Edge.start({
    workers: 2,
    // Nothing here ends because of its deadline.
    drainTimeout: '10m',
    websocketDrainTimeout: '10m',
    apps: [
      { name: 'demo', instances: [{ id: 'aa', port: instance.port }] },
      { name: 'echo', instances: [{ id: 'bb', port: echo.port }] },
      { name: 'secure', fly: secure, instances: [{ id: 'cc', port: echo.port }] },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  await echo?.stop();
});

beforeEach(async () => {
  await edge.quiet();
  await instance.forget();
  await edge.drained();
  watch = await edge.watch();
  client = await rawClient(edge.port());
});

const of = (app: string, path = '/') => request('GET', path, '', '', `${app}.test`);

async function ask(text = of('echo')) {
  client.send(text);
  return client.response();
}

/** The old slot has the connection, and drains. */
async function flip(): Promise<void> {
  await until(async () => (await edge.status()).slots[0]!.connections > 0, 'the connection in its slot');
  await edge.restart();
  const { slots } = await edge.status();
  expect(slots.map(({ state }) => state)).toEqual(['draining', 'accepting']);
  expect(slots.map(({ connections }) => connections > 0)).toEqual([true, false]);
}

/** The client closes too: the old slot goes with it, and exactly this was counted. */
async function over(moved: Moved): Promise<void> {
  client.end();
  await watch.moved(moved);
  await edge.drained();
}

test('idle: a request after the flip is answered, and within the window the client is asked to leave', async () => {
  expect((await ask()).status).toBe(200);
  await flip();
  let answers = 1;
  await until(async () => {
    const { status, fields } = await ask();
    expect(status).toBe(200);
    answers++;
    return fields.connection === 'close';
  }, 'Connection: close');
  expect(await client.peerEnd()).toBe('fin');
  await over({ 'edge 200': answers, 'app 200': answers, 'edge connects': 1 });
});

test('idle and silent: closed after the silence, not earlier', async () => {
  await ask();
  const asked = performance.now();
  await flip();
  expect(await client.peerEnd()).toBe('fin');
  expect(performance.now() - asked).toBeGreaterThan(drainSilence);
  await over({ 'edge 200': 1, 'app 200': 1, 'edge connects': 1 });
});

test('accepted but silent: its first request after the flip is answered', async () => {
  await flip();
  expect((await ask()).status).toBe(200);
  await over({ 'edge 200': 1, 'app 200': 1, 'edge connects': 1 });
});

test('accepted and silent for ever: closed like an idle one', async () => {
  await flip();
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  await over({ 'unnamed edge connects': 1 });
});

test('in the middle of its head', async () => {
  client.send(of('echo').slice(0, 20));
  await flip();
  client.send(of('echo').slice(20));
  expect((await client.response()).status).toBe(200);
  await over({ 'edge 200': 1, 'app 200': 1 });
});

test('in flight: the answer comes', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  await flip();
  peer.send(answer('late'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'late' });
  await over({ 'edge 200': 1, 'app 200': 1, 'edge connects': 1 });
});

test('in flight when the window is over: the answer says close', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  await flip();
  await windowOver();
  peer.send(answer('late'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'late', fields: { connection: 'close' } });
  expect(await client.peerEnd()).toBe('fin');
  await over({ 'edge 200': 1, 'app 200': 1, 'edge connects': 1 });
});

test('an instance that goes away while the old slot waits for it is told as ever', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  await flip();
  peer.destroy();
  expect((await client.response()).status).toBe(502);
  await over({ 'edge 502': 1, 'error instance_closed': 1 });
});

test('a long download with a slow reader comes whole', async () => {
  const body = randomBytes(24 << 20);
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  client.socket.pause();
  peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`).send(body);
  await until(() => peer.socket.bytesWritten > peer.socket.writableLength, 'bytes on their way');
  await flip();
  expect(peer.socket.writableLength).toBeGreaterThan(0);
  client.socket.resume();
  await client.head();
  expect(digest(Buffer.from(await client.bytes(body.length), 'latin1'))).toBe(digest(body));
  await over({ 'edge 200': 1, 'app 200': 1 });
});

test('a long upload arrives whole', async () => {
  const body = randomBytes(24 << 20);
  client.send(request('POST', '/', `Content-Length: ${body.length}\r\n`)).send(body.subarray(0, 100_000));
  const peer = await instance.accept();
  await peer.head();
  await peer.bytes(50_000).then((bytes) => (peer.text = bytes + peer.text));
  await flip();
  client.send(body.subarray(100_000));
  expect(digest(Buffer.from(await peer.bytes(body.length), 'latin1'))).toBe(digest(body));
  peer.send(answer('thanks'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'thanks' });
  await over({ 'edge 200': 1, 'app 200': 1, 'bytes in': body.length + head(body.length) });
});

const head = (length: number) => request('POST', '/', `Content-Length: ${length}\r\n`).length;

test('a chunked stream goes on, chunk by chunk', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
  await client.through('first\r\n');
  await flip();
  for (const word of ['other', 'third']) {
    peer.send(`5\r\n${word}\r\n`);
    expect(await client.through(word)).toBe(`5\r\n${word}`);
    await client.through('\r\n');
  }
  peer.send('0\r\n\r\n');
  expect(await client.through('0\r\n\r\n')).toBe('0\r\n\r\n');
  await over({ 'edge 200': 1, 'app 200': 1 });
});

test('pipelined: all that were received before the last answer are answered, in order', async () => {
  client.send(get('/0') + get('/1') + get('/2'));
  const peer = await instance.accept();
  await peer.through('/0 ');
  await flip();
  await windowOver();
  client.send(get('/3'));
  for (let i = 0; i < 4; i++) {
    if (i > 0) await peer.through(`GET /${i} `);
    await peer.head();
    // The last one is there before its predecessor's answer.
    peer.send(answer(`to ${i}`));
    const { body, fields } = await client.response();
    expect([body, fields.connection]).toEqual([`to ${i}`, i === 3 ? 'close' : undefined]);
  }
  expect(await client.peerEnd()).toBe('fin');
  await over({ 'edge 200': 4, 'app 200': 4, 'edge connects': 1 });
});

test('pipelined: those that the edge itself answers too', async () => {
  client.send(get() + of('nobody') + of('secure') + of('nobody') + of('secure') + of('nobody'));
  const peer = await instance.accept();
  await peer.head();
  await flip();
  await windowOver();
  peer.send(answer());
  const answers: [number, string | undefined][] = [];
  for (let i = 0; i < 6; i++) {
    const { status, fields } = await client.response();
    answers.push([status, fields.connection]);
  }
  expect(answers).toEqual([
    [200, undefined],
    [404, undefined],
    [301, undefined],
    [404, undefined],
    [301, undefined],
    [404, 'close'],
  ]);
  expect(await client.peerEnd()).toBe('fin');
  await over({ 'edge 200': 1, 'app 200': 1, 'edge 404': 3, 'edge 301': 2, 'error unknown_host': 3 });
});

test('pipelined without end: the client is asked to leave all the same', async () => {
  let asked = 0;
  const answered = () => client.text.split('hello\n').length - 1;
  // There are always some that wait.
  const refill = () => {
    for (; asked < answered() + 16 && !client.text.includes('Connection: close'); asked++) client.send(of('echo'));
  };
  refill();
  client.socket.on('data', refill);
  await flip();
  await until(() => client.text.includes('Connection: close'), 'Connection: close');
  expect(await client.peerEnd()).toBe('fin');
  // The one that says so is the last.
  expect(client.text.split('Connection: close')[1]!.split('HTTP/1.1')).toHaveLength(1);
  await over({ 'edge 200': answered(), 'app 200': answered(), 'edge connects': 1 });
});

test('half closed by the client: the answer comes', async () => {
  client.send(get()).end();
  const peer = await instance.accept();
  await peer.head();
  await flip();
  peer.send(answer('late'));
  expect(await client.response()).toMatchObject({ status: 200, body: 'late' });
  await over({ 'edge 200': 1, 'app 200': 1 });
});

test('a new connection goes to the new slot at once', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  await flip();
  const other = await rawClient(edge.port());
  other.send(of('echo'));
  const { status, fields } = await other.response();
  expect([status, fields.connection]).toEqual([200, undefined]);
  other.end();
  peer.send(answer());
  await client.response();
  await over({ 'edge 200': 2, 'app 200': 2, 'edge connects': 2 });
});

/** Every connection that drains has been asked to leave, or will be with its next answer. */
async function windowOver(): Promise<void> {
  const end = performance.now() + drainWindow + 2 * sweepInterval;
  await until(() => performance.now() > end, 'the window');
}

const digest = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');
