import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import { sum } from '../helpers/exposition.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    const fly = service({ more: 'http_options = { idle_timeout = 2, upgrades = ["websocket", "echo", "FOO/2"] }' });
    const plain = service();
    return {
      apps: [
        { name: 'demo', fly, instances },
        { name: 'plain', fly: plain, instances },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

const upgrade = (token: string, more = '') =>
  get('/ws', `Connection: keep-alive, Upgrade\r\nUpgrade: ${token}\r\n${more}`);
const switching = (token: string) =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n\r\n`;

async function tunnel(token = 'echo/1.0'): Promise<RawSocket> {
  client.send(upgrade(token));
  const peer = await instance.accept();
  await peer.head();
  peer.send(switching(token));
  expect((await client.response()).status).toBe(101);
  return peer;
}

test('a WebSocket handshake passes with its fields, and its frames byte for byte', async () => {
  const watch = await edge.watch();
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const fields = `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
  client.send(upgrade('websocket', fields));
  const peer = await instance.accept();
  const head = await peer.head();
  expect(head).toMatch(/\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
  for (const field of fields.trim().split('\r\n')) expect(head).toContain(`\r\n${field}\r\n`);
  // The instance's first frame comes with its head.
  peer.send(`${switching('websocket').replace('\r\n\r\n', `\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)}\x81\x02hi`);
  const response = await client.response();
  expect(response).toMatchObject({
    status: 101,
    fields: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-accept': accept },
  });
  expect(await client.bytes(4)).toBe('\x81\x02hi');
  const frame = `\x82\x85\0\0\0\0${'\x00\xff\r\n\x80'}`;
  client.send(frame);
  expect(await peer.bytes(frame.length)).toBe(frame);
  expect(sum(await edge.scrape(), 'fly_app_concurrency')).toBe(1);
  client.end();
  expect(await peer.peerEnd()).toBe('fin');
  peer.end();
  expect(await client.peerEnd()).toBe('fin');
  await watch.moved({ 'edge 101': 1, 'app 101': 1, 'edge connects': 1, 'app connects': 1 });
});

test('any other protocol of the list is a tunnel too, and what the client sent early belongs to it', async () => {
  client.send(`${upgrade('foo/2')}early`);
  const peer = await instance.accept();
  expect(await peer.head()).toMatch(/\r\nUpgrade: foo\/2\r\n/);
  peer.send(switching('foo/2'));
  await client.response();
  expect(await peer.bytes(5)).toBe('early');
  client.send(get('/not-a-request'));
  expect(await peer.head()).toBe(get('/not-a-request'));
});

test.each(['client', 'instance'])('when the %s ends its side, the other direction stays open', async (first) => {
  const watch = await edge.watch();
  const peer = await tunnel();
  const [ends, stays] = first === 'client' ? [client, peer] : [peer, client];
  ends.send('last words').end();
  expect(await stays.peerEnd()).toBe('fin');
  expect(stays.take()).toBe('last words');
  for (const word of ['still', 'here']) {
    stays.send(word);
    expect(await ends.bytes(word.length)).toBe(word);
  }
  stays.end();
  expect(await ends.peerEnd()).toBe('fin');
  await watch.moved({ 'edge 101': 1, 'app 101': 1 });
});

test.each(['client', 'instance'])('a reset by the %s reaches the other side', async (first) => {
  const watch = await edge.watch();
  const peer = await tunnel();
  const [resets, other] = first === 'client' ? [client, peer] : [peer, client];
  resets.reset();
  expect(await other.peerEnd()).toBe('reset');
  await watch.moved({ 'edge 101': 1, 'app 101': 1 });
});

test.each(['client', 'instance'])('a %s that reads nothing stops the other side, and loses nothing', async (slow) => {
  const watch = await edge.watch();
  const peer = await tunnel();
  const [reader, writer] = slow === 'client' ? [client, peer] : [peer, client];
  reader.socket.pause();
  const block = randomBytes(256 * 1024);
  let sent = 0;
  // Until neither the edge nor the kernel takes any more: then nothing drains for a while.
  while (sent < 400 * block.length) {
    sent += block.length;
    if (writer.socket.write(block)) continue;
    const drained = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, 500, false);
      writer.socket.once('drain', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    if (!drained) break;
  }
  expect(sent).toBeLessThan(100 * block.length);
  const read = createHash('sha1');
  const wanted = createHash('sha1');
  for (let i = 0; i < sent; i += block.length) wanted.update(block);
  let length = 0;
  reader.socket.removeAllListeners('data');
  reader.socket.on('data', (bytes: Buffer) => {
    length += bytes.length;
    read.update(bytes);
  });
  reader.socket.resume();
  await until(() => length === sent, 'all bytes');
  expect(read.digest('hex')).toBe(wanted.digest('hex'));
  client.end();
  peer.end();
  await watch.moved({ 'edge 101': 1, 'app 101': 1 });
});

test('an idle tunnel is cut at idle_timeout, which is an error with its code', async () => {
  const watch = await edge.watch();
  const peer = await tunnel();
  expect(await client.peerEnd()).toBe('reset');
  expect(await peer.peerEnd()).toBe('reset');
  await watch.moved({ 'edge 101': 1, 'app 101': 1, 'error idle_timeout': 1 });
});

test('an instance may answer instead of switching, and the connection goes on', async () => {
  client.send(upgrade('websocket'));
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer('no', '', '426 Upgrade Required'));
  expect(await client.response()).toMatchObject({ status: 426, body: 'no' });
  client.send(get('/next'));
  await peer.through('GET /next');
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
});

test('a 101 that nobody asked for is a bad response', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(switching('websocket'));
  expect((await client.response()).status).toBe(502);
  expect(await peer.peerEnd()).not.toBe('no');
  client.end();
  await watch.moved({ 'edge 502': 1, 'error instance_bad_response': 1 });
});

test('an HTTP/1.0 client cannot upgrade: the instance is not asked to', async () => {
  client.send('GET / HTTP/1.0\r\nHost: demo.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const peer = await instance.accept();
  expect(await peer.head()).not.toMatch(/upgrade/i);
});

/** The head that the instance gets for an `Upgrade` of this value. */
async function passed(list: string, more = '', host = 'demo.test'): Promise<string> {
  const fields = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${list}\r\nHTTP2-Settings: AAMAAABk\r\n${more}`;
  client.send(request('GET', '/', fields, '', host));
  const peer = await instance.accept();
  const head = await peer.head();
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
  // The request went on as one, and so does the connection.
  client.send(request('GET', '/next', '', '', host));
  await peer.through('GET /next');
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
  return head;
}

test.each([
  'h2c',
  'H2C',
  'h2c/1',
  'H2c/2.0',
  'HTTP/2.0',
  'TLS/1.0',
  'foo/3',
  'foo',
  'h2c,h2c',
  'web socket',
  'websocket;q=1',
  ', ,',
])('Upgrade: %s does not pass, and the request goes on without it', async (list) => {
  expect(await passed(list)).not.toMatch(/\r\n(upgrade|connection|http2)/i);
});

test('an app that names no protocols takes websocket alone', async () => {
  expect(await passed('echo', '', 'plain.test')).not.toMatch(/upgrade/i);
  await instance.forget();
  client = await rawClient(edge.port());
  expect(await passed('WebSocket', '', 'plain.test')).toMatch(/\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n/);
});

test.each([
  ['h2c, websocket', '', 'websocket'],
  ['websocket,h2c/1 , Echo/9', '', 'websocket, Echo/9'],
  ['h2c', 'Upgrade: websocket\r\n', 'websocket'],
])('of Upgrade: %s only what the app takes goes on', async (list, more, goes) => {
  const head = await passed(list, more);
  expect(head).toContain(`\r\nConnection: Upgrade\r\nUpgrade: ${goes}\r\n`);
  expect(head).not.toMatch(/h2c|http2/i);
});

test.each([
  ['h2c, websocket', 'h2c'],
  ['websocket', 'echo'],
  ['websocket', 'websocket, h2c'],
  ['foo/2', 'foo/3'],
  ['websocket', ''],
])('after Upgrade: %s a 101 to %j is a bad response', async (asked, answered) => {
  client.send(upgrade(asked));
  const peer = await instance.accept();
  await peer.head();
  peer.send(switching(answered));
  expect((await client.response()).status).toBe(502);
});

test('a 101 is for the protocol that was asked for, whatever its case', async () => {
  client.send(upgrade('websocket'));
  const peer = await instance.accept();
  await peer.head();
  peer.send(switching('WebSocket'));
  expect((await client.response()).status).toBe(101);
});

test('HTTP2-Settings does not pass, with or without Upgrade, in any spelling', async () => {
  client.send(get('/', 'HTTP2-Settings: AAMAAABk\r\nhttp2_settings: AAMAAABk\r\n'));
  const peer = await instance.accept();
  expect(await peer.head()).not.toMatch(/settings/i);
});
