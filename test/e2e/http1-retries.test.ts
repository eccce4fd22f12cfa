import { beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import { sum } from '../helpers/exposition.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;

edgeWithRawInstance(
  async (instance) => {
    const [nobody] = (await freePorts(1)) as [number];
    const alive = { id: 'alive', port: instance.port };
    return {
      apps: [
        { name: 'demo', instances: [alive] },
        { name: 'pair', instances: [alive, { id: 'dead', port: nobody }] },
        { name: 'dead', instances: [{ id: 'dead', port: nobody }] },
        { name: 'empty', instances: [] },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

const to = (app: string, path = '/') => request('GET', path, '', '', `${app}.test`);

/** A connection to the instance that has carried one request and waits in the pool. */
async function pooled(): Promise<RawSocket> {
  client.send(get('/first'));
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer('first'));
  await client.response();
  return peer;
}

test.each([
  ['a whole interim head', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['an interim head and part of another', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2'],
  ['one byte', 'H'],
])('a pooled connection that closes after %s: the instance has begun, and gets the request once', async (_, begun) => {
  const watch = await edge.watch();
  const stale = await pooled();
  client.send(request('PUT', '/once', 'Content-Length: 4\r\n', 'body'));
  await stale.through('body');
  stale.send(begun).end();
  let { status } = await client.response();
  if (status < 200) ({ status } = await client.response());
  expect(status).toBe(502);
  expect(instance.connections.filter((peer) => !peer.closed && peer !== stale)).toHaveLength(0);
  client.end();
  await watch.moved({ 'edge 200': 1, 'edge 502': 1, 'app 200': 1, 'app connects': 1, 'error instance_closed': 1 });
});

describe('a pooled connection that closes without a byte of an answer', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE'])('%s is sent again on a new one', async (method) => {
    const watch = await edge.watch();
    const stale = await pooled();
    client.send(request(method, '/again'));
    const sent = await stale.head();
    stale.destroy();
    const fresh = await instance.accept();
    expect(await fresh.head()).toBe(sent);
    fresh.send(answer(''));
    expect((await client.response(method)).status).toBe(200);
    client.end();
    await watch.moved({ 'edge 200': 2, 'app 200': 2, 'app connects': 2 });
  });

  test('PUT is sent again when its body was there from the start', async () => {
    const stale = await pooled();
    client.send(request('PUT', '/', 'Content-Length: 4\r\n', 'body'));
    const sent = await stale.through('body');
    stale.reset();
    const fresh = await instance.accept();
    expect(await fresh.through('body')).toBe(sent);
    fresh.send(answer());
    expect((await client.response()).status).toBe(200);
  });

  test('PUT is not, when part of its body has passed already', async () => {
    const watch = await edge.watch();
    const stale = await pooled();
    client.send(request('PUT', '/', 'Content-Length: 4\r\n', 'bo'));
    await stale.through('bo');
    client.send('dy');
    await stale.through('dy');
    stale.destroy();
    expect((await client.response()).status).toBe(502);
    client.end();
    await watch.moved({ 'edge 200': 1, 'edge 502': 1, 'app 200': 1, 'error instance_closed': 1 });
  });

  test.each(['POST', 'PATCH', 'PURGE'])('%s is not: 502', async (method) => {
    const watch = await edge.watch();
    const stale = await pooled();
    client.send(request(method));
    await stale.head();
    stale.destroy();
    expect(await client.response()).toMatchObject({ status: 502, body: expect.stringMatching(/^instance_closed: /) });
    client.end();
    await watch.moved({ 'edge 200': 1, 'edge 502': 1, 'app 200': 1, 'error instance_closed': 1, 'app connects': 1 });
  });

  test('after a first byte of the answer nothing is sent again', async () => {
    const watch = await edge.watch();
    const stale = await pooled();
    client.send(get());
    await stale.head();
    stale.send('H');
    stale.end();
    expect((await client.response()).status).toBe(502);
    client.end();
    await watch.moved({ 'edge 200': 1, 'edge 502': 1, 'app 200': 1, 'error instance_closed': 1, 'app connects': 1 });
  });
});

test('a new connection that closes without an answer is a 502, for GET too', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.destroy();
  expect(await client.response()).toMatchObject({ status: 502, fields: { 'content-type': 'text/plain' } });
  client.end();
  await watch.moved({ 'edge 502': 1, 'error instance_closed': 1, 'app connects': 1 });
});

test('an idle connection that the instance closes leaves the pool, and a POST gets a new one', async () => {
  const watch = await edge.watch();
  const idle = await pooled();
  idle.end();
  await idle.peerEnd();
  client.send(request('POST'));
  const fresh = await instance.accept();
  await fresh.head();
  fresh.send(answer());
  expect((await client.response()).status).toBe(200);
  client.end();
  await watch.moved({ 'edge 200': 2, 'app 200': 2, 'app connects': 2 });
});

test('an instance that refuses the connection: another one is tried, for POST too', async () => {
  const watch = await edge.watch();
  // Until one request is in flight at the living one: then the dead one has fewer and comes first.
  const holder = await rawClient(edge.port());
  holder.send(to('pair', '/held'));
  const held = await instance.accept();
  await held.head();
  client.send(request('POST', '/', 'Content-Length: 4\r\n', 'body', 'pair.test'));
  const peer = await instance.accept();
  await peer.through('body');
  const page = await edge.scrape();
  expect(sum(page, 'fly_app_concurrency', { app: 'pair', instance: 'alive' })).toBe(2);
  expect(sum(page, 'fly_app_concurrency', { app: 'pair', instance: 'dead' })).toBe(0);
  peer.send(answer());
  held.send(answer());
  expect((await client.response()).status).toBe(200);
  await holder.response();
  client.end();
  holder.end();
  await watch.moved({ 'edge 200': 2, 'app 200': 2, 'app connects': 2 });
  const after = await edge.scrape();
  expect(sum(after, 'fly_app_tcp_connects_count', { app: 'pair', instance: 'dead' })).toBe(0);
  expect(sum(after, 'fly_app_connect_time_seconds_count', { app: 'pair', instance: 'dead' })).toBe(0);
});

test('when no instance is left to try: 502, and the connection goes on', async () => {
  const watch = await edge.watch();
  for (let i = 0; i < 2; i++) {
    client.send(to('dead'));
    const response = await client.response();
    expect(response).toMatchObject({ status: 502, body: expect.stringMatching(/^instance_connect: /) });
    expect(response.fields.connection).toBeUndefined();
  }
  client.end();
  await watch.moved({ 'edge 502': 2, 'error instance_connect': 2, 'app connects': 0, 'edge connects': 1 });
});

test('an app without instances: 503 with Retry-After', async () => {
  const watch = await edge.watch();
  client.send(to('empty'));
  const response = await client.response();
  expect(response).toMatchObject({ status: 503, body: expect.stringMatching(/^no_instance: /) });
  expect(response.fields['retry-after']).toMatch(/^\d+$/);
  client.end();
  await watch.moved({ 'edge 503': 1, 'error no_instance': 1 });
});

test.each([
  'nonsense\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
])('an answer that cannot be read is a 502: %j', async (text) => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(text);
  expect(await client.response()).toMatchObject({
    status: 502,
    body: expect.stringMatching(/^instance_bad_response: /),
  });
  await peer.peerEnd();
  client.end();
  await watch.moved({ 'edge 502': 1, 'error instance_bad_response': 1 });
});

describe.each(['HTTP', 'raw TCP'])('of %s, a retry that waits in the queue for longer than retry_time', (kind) => {
  test('is still tried elsewhere when the instance that came free has gone meanwhile', async () => {
    const http = kind === 'HTTP';
    const retryTime = 300;
    const [nobody] = (await freePorts(1)) as [number];
    const [leaves, stays] = [await RawInstance.start(), await RawInstance.start()];
    const own = await Edge.start({
      ports: [80, 6000],
      limits: { retry_time: `"${retryTime}ms"` },
      apps: [
        {
          name: 'queued',
          fly: service({ ...(!http && { port: 6000, handlers: [] }), type: 'connections', soft: 1, hard: 1 }),
          instances: [
            { id: 'aa01', port: nobody },
            { id: 'bb01', port: leaves.port },
            { id: 'cc01', port: stays.port },
          ],
        },
      ],
    });
    try {
      const begin = async (word: string) => {
        const from = await rawClient(own.port(http ? 80 : 6000));
        return from.send(http ? to('queued', `/${word}`) : word);
      };
      // Two have a place each; one of them, or both, after the instance that refuses.
      const holders = [await begin('0!'), await begin('1!')];
      const peers = [await leaves.accept(), await stays.accept()];
      const which: number[] = [];
      for (const each of peers) which.push(Number((await each.through('!')).at(-2)));
      const waiting = await begin('waits');
      const open = async () => sum(await own.scrape(), 'fly_edge_tcp_connects_count', { app: 'queued' });
      await until(async () => (await open()) === 3);
      const from = performance.now();
      await until(() => performance.now() - from > 3 * retryTime);
      expect(waiting.ended).toBe('no');
      leaves.refuse();
      for (const [i, each] of peers.entries()) {
        const holder = holders[which[i]!]!;
        each.send(http ? answer('held', 'Connection: close\r\n') : 'held').end();
        await holder.through('held');
        holder.end();
        expect(await each.peerEnd()).toBe('fin');
      }
      const peer = await stays.accept();
      if (http) {
        await peer.head();
        peer.send(answer('whole'));
      } else peer.send('whole');
      await waiting.through('whole');
      waiting.end();
      peer.end();
    } finally {
      await own.stop();
      await stays.stop();
      for (const peer of leaves.connections) peer.destroy();
    }
  });
});
