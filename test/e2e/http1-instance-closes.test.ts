/** Who closes a connection to an instance first: whoever does keeps its port in TIME_WAIT for a minute (RFC 9293 3.6). */

import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { HttpInstance, RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const rawPort = 6000;
let edge: Edge;
let instance: RawInstance;
let server: HttpInstance;
let checked: HttpInstance;
let well = true;
let client: RawSocket;

beforeAll(async () => {
  instance = await RawInstance.start();
  server = await HttpInstance.start();
  checked = await HttpInstance.start((request, response) => {
    if (request.url === '/health') response.statusCode = well ? 200 : 500;
    response.end('hello\n');
  });
  const raw = [{ id: 'aa01', port: instance.port }];
  edge = await Edge.start({
    ports: [80, rawPort],
    limits: { pool_size: 2, pool_idle_timeout: '"1s"', response_timeout: '"1s"' },
    apps: [
      { name: 'demo', fly: service({ type: 'connections' }), instances: raw },
      { name: 'one', fly: service({ type: 'connections', soft: 1, hard: 1 }), instances: raw },
      { name: 'pooled', instances: raw },
      { name: 'served', fly: service({ type: 'connections' }), instances: [{ id: 'bb01', port: server.port }] },
      {
        name: 'checked',
        fly: service({
          checks: '[[services.http_checks]]\npath = "/health"\ninterval = 1000\ntimeout = 1000\ngrace_period = 0',
        }),
        instances: [{ id: 'cc01', port: checked.port }],
      },
      { name: 'tcp', fly: service({ port: rawPort, handlers: [], type: 'connections' }), instances: raw },
    ],
  });
});
afterAll(async () => {
  await edge.stop();
  await Promise.all([instance.stop(), server.stop(), checked.stop()]);
});
beforeEach(async () => {
  client = await rawClient(edge.port());
});
afterEach(async () => {
  client.destroy();
  await instance.forget();
});

const to = (app: string, text: string) => text.replace('demo.test', `${app}.test`);
const concurrency = async (app: string) => sum(await edge.scrape(), 'fly_app_concurrency', { app });
const open = async (app: string) => {
  const page = await edge.scrape();
  return sum(page, 'fly_app_tcp_connects_count', { app }) - sum(page, 'fly_app_tcp_disconnects_count', { app });
};

/** Connections to a port of the loopback that wait for it to be free again: what whoever closed first has left. */
function timeWaits(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to!.endsWith(remote) && state === '06').length;
}

test('with type "connections" nothing of them is left at the edge, however many there were', async () => {
  const count = 100;
  const before = server.opened;
  for (let i = 0; i < count; i++) {
    client.send(to('served', get()));
    expect((await client.response()).status).toBe(200);
  }
  expect(server.opened - before).toBe(count);
  await until(async () => (await open('served')) === 0);
  expect(timeWaits(server.port)).toBe(0);
});

const kinds: [what: string, method: string, text: string][] = [
  ['Content-Length', 'GET', answer('whole')],
  ['no body', 'GET', answer('')],
  ['chunks', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n'],
  ['Connection: close', 'GET', answer('whole', 'Connection: close\r\n')],
  ['HTTP/1.0', 'GET', answer('whole').replace('HTTP/1.1', 'HTTP/1.0')],
  ['an interim answer before it', 'GET', `HTTP/1.1 103 Early Hints\r\n\r\n${answer('whole')}`],
  ['a request with HEAD', 'HEAD', answer('whole').slice(0, -5)],
  ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
  ['a request with a body', 'POST', answer('whole')],
];

/** One exchange, through the answer's last byte at the client. Returns the instance's end. */
async function exchange([_what, method, text]: (typeof kinds)[number], from: RawSocket): Promise<RawSocket> {
  from.send(method === 'POST' ? request(method, '/', 'Content-Length: 4\r\n', 'body') : request(method));
  const peer = await instance.accept();
  await peer.head();
  peer.send(text);
  if (text.includes(' 103 ')) await from.head();
  await from.response(method);
  return peer;
}

test.each(kinds)('an instance whose answer has %s closes first, and the edge after it', async (...kind) => {
  const peer = await exchange(kind, client);
  // The place is free while the connection is not closed yet.
  await until(async () => (await concurrency('demo')) === 0);
  expect([peer.ended, await open('demo')]).toEqual(['no', 1]);
  peer.end();
  expect(await peer.peerEnd()).toBe('fin');
  await until(async () => (await open('demo')) === 0);
  expect(timeWaits(instance.port)).toBe(0);
});

test('an instance that stays open after its answer is sent RST', async () => {
  const peers: RawSocket[] = [];
  for (const kind of kinds) peers.push(await exchange(kind, client));
  for (const [i, peer] of peers.entries()) expect(await peer.peerEnd(), kinds[i]![0]).toBe('reset');
  await until(async () => (await open('demo')) === 0);
  expect(timeWaits(instance.port)).toBe(0);
});

test('an instance whose answer ends with its connection has closed first', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\n\r\nthe whole').end();
  expect((await client.response()).body).toBe('the whole');
  expect(await peer.peerEnd()).toBe('fin');
  expect(timeWaits(instance.port)).toBe(0);
});

test('the place below a hard limit is free with the last byte, not with the close', async () => {
  const peers: RawSocket[] = [];
  for (const path of ['/1', '/2', '/3']) {
    client.send(to('one', get(path)));
    const peer = await instance.accept();
    expect(await peer.head()).toMatch(`GET ${path} `);
    peer.send(answer(path));
    expect((await client.response()).body).toBe(path);
    peers.push(peer);
  }
  for (const peer of peers) peer.end();
  for (const peer of peers) expect(await peer.peerEnd()).toBe('fin');
});

test('what the instance sends after its answer belongs to nobody, and is answered with RST', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer());
  await client.response();
  peer.send(answer('another'));
  expect(await peer.peerEnd()).toBe('reset');
  client.send(get());
  const next = await instance.accept();
  await next.head();
  next.send(answer('own'));
  expect((await client.response()).body).toBe('own');
});

test('a client that reads late gets the whole of an answer whose connection was reset meanwhile', async () => {
  const body = 'x'.repeat(200_000);
  client.socket.pause();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer(body));
  expect(await peer.peerEnd()).toBe('reset');
  client.socket.resume();
  expect((await client.response()).body.length).toBe(body.length);
});

test('what the instance has not read of a request when it answers reaches it none the less', async () => {
  const body = 'y'.repeat(500_000);
  client.send(request('POST', '/', `Content-Length: ${body.length}\r\n`, body));
  const peer = await instance.accept();
  await peer.head();
  peer.socket.pause();
  peer.send(answer());
  await client.response();
  peer.socket.resume();
  await until(() => peer.text.length === body.length || peer.ended !== 'no');
  expect(peer.text.length).toBe(body.length);
  peer.end();
  expect(await peer.peerEnd()).toBe('fin');
});

describe('with type "requests"', () => {
  const pooled = to('pooled', get());

  test('what says that it closes is left to the instance', async () => {
    client.send(pooled);
    const peer = await instance.accept();
    await peer.head();
    peer.send(answer('', 'Connection: close\r\n'));
    await client.response();
    await until(async () => (await concurrency('pooled')) === 0);
    expect(peer.ended).toBe('no');
    peer.end();
    expect(await peer.peerEnd()).toBe('fin');
    expect(timeWaits(instance.port)).toBe(0);
  });

  test('what the pool has no room for, and what idles in it for too long, is reset', async () => {
    const clients = [client, await rawClient(edge.port()), await rawClient(edge.port())];
    for (const each of clients) each.send(pooled);
    const peers = [await instance.accept(), await instance.accept(), await instance.accept()];
    for (const peer of peers) await peer.head();
    for (const peer of peers) peer.send(answer());
    for (const each of clients) await each.response();
    for (const peer of peers) expect(await peer.peerEnd()).toBe('reset');
    await until(async () => (await open('pooled')) === 0);
    expect(timeWaits(instance.port)).toBe(0);
  });

  test('what is pooled of an instance that fails its check is reset', async () => {
    client.send(to('checked', get()));
    expect((await client.response()).status).toBe(200);
    expect(await open('checked')).toBe(1);
    well = false;
    await until(async () => (await open('checked')) === 0);
  });
});

describe('a connection that the edge gives up is reset', () => {
  test.each(['FIN', 'RST'])('when the client leaves with %s', async (how) => {
    client.send(request('POST', '/', 'Content-Length: 4\r\n', 'bo'));
    const peer = await instance.accept();
    await peer.through('bo');
    if (how === 'FIN') client.destroy();
    else client.reset();
    expect(await peer.peerEnd()).toBe('reset');
    expect(timeWaits(instance.port)).toBe(0);
  });

  test('when the answer can not be read, when it does not come, and when it comes before the request is whole', async () => {
    const peers: RawSocket[] = [];
    for (const [text, status] of [
      ['nonsense\r\n\r\n', 502],
      ['', 504],
      [answer(), 200],
    ] as const) {
      const each = await rawClient(edge.port());
      each.send(status === 200 ? request('POST', '/', 'Content-Length: 4\r\n', 'bo') : get());
      const peer = await instance.accept();
      await peer.head();
      peer.send(text);
      expect((await each.response()).status).toBe(status);
      peers.push(peer);
    }
    for (const peer of peers) expect(await peer.peerEnd()).toBe('reset');
    expect(timeWaits(instance.port)).toBe(0);
  });
});

test('of raw TCP, the instance that closes first leaves nothing at the edge', async () => {
  const raw = await rawClient(edge.port(rawPort));
  raw.send('ping');
  const peer = await instance.accept();
  await peer.through('ping');
  peer.send('pong').end();
  expect(await raw.through('pong')).toBe('pong');
  expect(await raw.peerEnd()).toBe('fin');
  raw.end();
  expect(await peer.peerEnd()).toBe('fin');
  await until(async () => (await open('tcp')) === 0);
  expect(timeWaits(instance.port)).toBe(0);
});

test('a slot that drains waits for no instance to close, and its connections are counted as closed', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  const before = await open('demo');
  expect(before).toBe(1);
  peer.send(answer());
  const restarted = edge.restart();
  expect((await client.response()).status).toBe(200);
  await restarted;
  client.end();
  await edge.drained();
  expect(await open('demo')).toBe(0);
  expect(await peer.peerEnd()).not.toBe('no');
});
