/** Deadlines in a drain: the connection's own stay in force, and the drain's come in their order. */

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let instance: RawInstance;
beforeAll(async () => {
  instance = await RawInstance.start();
});
afterAll(() => instance.stop());

const rawPort = 6000;
const upgrade = get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n');
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const cuts = async (edge: Edge) => sum(await edge.scrape(), 'fly_slot_drain_cut_count');

/** An upgraded connection, and its end at the instance. */
async function tunnel(edge: Edge): Promise<[client: RawSocket, peer: RawSocket]> {
  const client = await rawClient(edge.port());
  client.send(upgrade);
  const peer = await instance.accept();
  await peer.head();
  peer.send(switching);
  expect((await client.response()).status).toBe(101);
  return [client, peer];
}

async function raw(edge: Edge): Promise<[client: RawSocket, peer: RawSocket]> {
  const client = await rawClient(edge.port(rawPort));
  return [client, await instance.accept()];
}

async function echoes([client, peer]: [RawSocket, RawSocket], word: string): Promise<void> {
  client.send(word);
  expect(await peer.bytes(word.length)).toBe(word);
  peer.send(word);
  expect(await client.bytes(word.length)).toBe(word);
}

test('of heads, bodies and silence are enforced in a drain as before it', async () => {
  const edge = await Edge.start({
    limits: { body_idle_timeout: '"1s"', response_timeout: '"1s"' },
    drainTimeout: '10m',
    websocketDrainTimeout: '10m',
    apps: [
      {
        name: 'demo',
        fly: service({ more: 'http_options = { headers_read_timeout = 1, idle_timeout = 60 }' }),
        instances: [{ id: 'aa', port: instance.port }],
      },
    ],
  });
  try {
    const watch = await edge.watch();
    const clients: RawSocket[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await rawClient(edge.port());
      clients.push(client.send(get()));
      const peer = await instance.accept();
      await peer.head();
      // Not to be used again: each client has an instance's connection of its own.
      peer.send(answer('ok', 'Connection: close\r\n')).end();
      expect((await client.response()).status).toBe(200);
    }
    await edge.restart();
    const [head, body, late] = clients as [RawSocket, RawSocket, RawSocket];
    head.send('GET / HTTP/1.1\r\nHost: ');
    body.send(request('POST', '/', 'Content-Length: 10\r\n', 'half'));
    late.send(get('/late'));
    expect((await head.response()).status).toBe(408);
    expect((await body.response()).status).toBe(408);
    expect((await late.response()).status).toBe(504);
    expect(await edge.slots()).toEqual(['blue 1 draining', 'green 2 accepting']);
    for (const client of clients) client.end();
    await watch.moved({
      'edge 200': 3,
      'app 200': 3,
      'edge 408': 2,
      'edge 504': 1,
      'error request_timeout': 2,
      'error instance_timeout': 1,
      'edge connects': 3,
    });
    await edge.drained();
    expect(await cuts(edge)).toBe(0);
  } finally {
    await instance.forget();
    await edge.stop();
  }
});

test('requests are cut at drain_timeout; websockets and raw TCP go on until theirs, then are cut with RST', async () => {
  const edge = await Edge.start({
    ports: [80, rawPort],
    drainTimeout: '1s',
    websocketDrainTimeout: '5s',
    access: true,
    apps: [
      { name: 'demo', instances: [{ id: 'aa', port: instance.port }] },
      {
        name: 'raw',
        fly: service({ port: rawPort, handlers: [], type: 'connections' }),
        instances: [{ id: 'bb', port: instance.port }],
      },
    ],
  });
  try {
    const watch = await edge.watch();
    const websocket = await tunnel(edge);
    const stream = await raw(edge);
    const client = await rawClient(edge.port());
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    await edge.restart();
    expect(await client.peerEnd()).toBe('reset');
    for (const pair of [websocket, stream]) await echoes(pair, 'still here');
    expect(await edge.slots()).toEqual(['blue 1 draining', 'green 2 accepting']);
    for (const [end, other] of [websocket, stream]) {
      expect(await end.peerEnd()).toBe('reset');
      // What it got must not look complete.
      expect(await other.peerEnd()).toBe('reset');
    }
    await edge.drained();
    await watch.moved({ 'edge 101': 1, 'app 101': 1, 'edge connects': 3 });
    expect(await cuts(edge)).toBe(3);
    expect(edge.log).toContainEqual(expect.objectContaining({ msg: 'the slot has ended', generation: 1, cut: 3 }));
    expect(edge.accessLog.map(({ path, bytesIn }) => [path, bytesIn])).toEqual([
      ['/', 0],
      ['/ws', 10],
    ]);
  } finally {
    await instance.forget();
    await edge.stop();
  }
});

test.each([
  ['max_draining', { drainTimeout: '10m', websocketDrainTimeout: '10m', slots: 'max_draining = 1' }],
  ['deadlines that are the same', { drainTimeout: '100ms', websocketDrainTimeout: '100ms' }],
])('each connection that %s cuts is counted once, whatever it carries', async (_, slots) => {
  const edge = await Edge.start({
    ...slots,
    ports: [80, rawPort],
    apps: [
      { name: 'demo', instances: [{ id: 'aa', port: instance.port }] },
      {
        name: 'raw',
        fly: service({ port: rawPort, handlers: [], type: 'connections' }),
        instances: [{ id: 'bb', port: instance.port }],
      },
    ],
  });
  try {
    const [websocket] = await tunnel(edge);
    const [stream] = await raw(edge);
    const waiting = await rawClient(edge.port());
    waiting.send(get());
    await (await instance.accept()).head();
    for (let i = 0; i < 2; i++) await edge.restart();
    for (const client of [websocket, stream, waiting]) expect(await client.peerEnd()).toBe('reset');
    await edge.drained();
    expect(await cuts(edge)).toBe(3);
  } finally {
    await instance.forget();
    await edge.stop();
  }
});

test('a tunnel that begins in the drain is cut too when its time is the shorter one', async () => {
  const edge = await Edge.start({
    drainTimeout: '3s',
    websocketDrainTimeout: '100ms',
    apps: [{ name: 'demo', instances: [{ id: 'aa', port: instance.port }] }],
  });
  try {
    const watch = await edge.watch();
    const first = await tunnel(edge);
    const client = await rawClient(edge.port());
    client.send(upgrade);
    const peer = await instance.accept();
    await peer.head();
    await edge.restart();
    expect(await first[0].peerEnd()).toBe('reset');
    peer.send(switching);
    expect((await client.response()).status).toBe(101);
    await echoes([client, peer], 'late');
    expect(await client.peerEnd()).toBe('reset');
    await edge.drained();
    await watch.moved({ 'edge 101': 2, 'app 101': 2, 'edge connects': 2 });
    expect(await cuts(edge)).toBe(2);
  } finally {
    await instance.forget();
    await edge.stop();
  }
});

test('tunnels that end by themselves take the old slot along, with all that is to be told of them', async () => {
  const edge = await Edge.start({
    drainTimeout: '1s',
    websocketDrainTimeout: '10m',
    access: true,
    apps: [
      {
        name: 'demo',
        fly: service({ more: 'http_options = { idle_timeout = 3 }' }),
        instances: [{ id: 'aa', port: instance.port }],
      },
    ],
  });
  try {
    for (const how of ['client', 'instance', 'reset', 'idle'] as const) {
      const watch = await edge.watch();
      const lines = edge.accessLog.length;
      const [client, peer] = await tunnel(edge);
      await edge.restart();
      await echoes([client, peer], how);
      const [ends, other] = how === 'instance' ? [peer, client] : [client, peer];
      if (how === 'reset') ends.reset();
      else if (how !== 'idle') ends.end();
      expect(await other.peerEnd()).toBe(how === 'reset' || how === 'idle' ? 'reset' : 'fin');
      other.end();
      await edge.drained();
      await watch.moved({
        'edge 101': 1,
        'app 101': 1,
        'edge connects': 1,
        ...(how === 'idle' && { 'error idle_timeout': 1 }),
      });
      await until(() => edge.accessLog.length > lines, `the access log line of the one that ended by ${how}`);
      expect(edge.accessLog.slice(lines)).toMatchObject([
        { status: 101, bytesIn: how.length, bytesOut: how.length, error: how === 'idle' ? 'idle_timeout' : '' },
      ]);
    }
    expect(await cuts(edge)).toBe(0);
  } finally {
    await instance.forget();
    await edge.stop();
  }
});
