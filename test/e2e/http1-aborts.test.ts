import { beforeEach, describe, expect, test } from 'vitest';
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
    return {
      apps: [
        { name: 'demo', fly: service(), instances },
        { name: 'one', fly: service({ soft: 1, hard: 1 }), instances },
      ],
      limits: { half_close_timeout: '"300ms"', response_idle_timeout: '"2s"' },
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

const concurrency = async () => sum(await edge.scrape(), 'fly_app_concurrency');
const ends = { FIN: () => client.end(), RST: () => client.reset() };

describe.each(['FIN', 'RST'] as const)('a client that leaves with %s', (how) => {
  test('in the middle of its head reaches no instance', async () => {
    const watch = await edge.watch();
    client.send('GET / HTTP/1.1\r\nHost: de');
    ends[how]();
    await watch.moved({ 'unnamed edge connects': 1 });
    expect(instance.open).toBe(0);
  });

  test('in the middle of its body ends the request to the instance', async () => {
    const watch = await edge.watch();
    client.send(request('POST', '/', 'Content-Length: 100\r\n', 'half'));
    const peer = await instance.accept();
    await peer.through('half');
    expect(await concurrency()).toBe(1);
    ends[how]();
    await peer.peerEnd();
    await watch.moved({});
  });

  test('while it waits for the answer ends the request to the instance', async () => {
    const watch = await edge.watch();
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    ends[how]();
    await peer.peerEnd();
    await watch.moved({});
  });

  test('in the middle of the answer ends it at the instance, and both responses are timed', async () => {
    const watch = await edge.watch();
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await client.through('half');
    ends[how]();
    await peer.peerEnd();
    await watch.moved({ 'edge 200': 1, 'app 200': 1 });
  });

  test('while queued gives its place up', async () => {
    const watch = await edge.watch();
    const text = get().replace('demo', 'one');
    const first = await rawClient(edge.port());
    first.send(text);
    const peer = await instance.accept();
    await peer.head();
    client.send(text);
    const third = await rawClient(edge.port());
    await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_connects_count', { app: 'one' }) >= 2);
    ends[how]();
    await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_disconnects_count', { app: 'one' }) >= 1);
    third.send(text.replace('/', '/third'));
    peer.send(answer('first'));
    await first.response();
    expect(await peer.head()).toMatch('GET /third');
    peer.send(answer('third'));
    expect((await third.response()).body).toBe('third');
    first.end();
    third.end();
    await watch.moved({ 'edge 200': 2, 'app 200': 2, soft: 2, hard: 2 });
  });
});

describe.each([
  ['FIN', 'in its first packet', 4, ''],
  ['RST', 'in its first packet', 4, ''],
  ['FIN', 'with more in a second packet', 4, 'more'],
  ['RST', 'with more in a second packet', 4, 'more'],
  ['RST', 'that is longer than what is kept', 2_000_000, ''],
] as const)('a client that leaves with %s in the middle of its body, %s', (how, _what, length, more) => {
  test('while queued leaves the queue, and no instance ever sees it', async () => {
    const watch = await edge.watch();
    const text = get().replace('demo', 'one');
    const first = await rawClient(edge.port());
    first.send(text);
    const peer = await instance.accept();
    await peer.head();
    client.send(request('POST', '/gone', 'Content-Length: 9000000\r\n', 'x'.repeat(length)).replace('demo', 'one'));
    await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_connects_count', { app: 'one' }) - connected >= 2);
    if (more !== '') {
      const before = sum(await edge.scrape(), 'fly_edge_data_in', { app: 'one' });
      client.send(more);
      await until(async () => sum(await edge.scrape(), 'fly_edge_data_in', { app: 'one' }) > before);
    }
    ends[how]();
    await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_disconnects_count', { app: 'one' }) > left);
    expect(await concurrency()).toBe(1);
    const third = await rawClient(edge.port());
    third.send(text.replace('/', '/third'));
    peer.send(answer('first'));
    await first.response();
    expect(await peer.head()).toMatch('GET /third');
    peer.send(answer('third'));
    expect((await third.response()).body).toBe('third');
    first.end();
    third.end();
    await watch.moved({ 'edge 200': 2, 'app 200': 2, soft: 2, hard: 2 });
  });

  let connected = 0;
  let left = 0;
  beforeEach(async () => {
    const page = await edge.scrape();
    connected = sum(page, 'fly_edge_tcp_connects_count', { app: 'one' });
    left = sum(page, 'fly_edge_tcp_disconnects_count', { app: 'one' });
  });
});

test('a client that sends the rest of its body while it is queued, and FIN after it, gets its answer', async () => {
  const text = get().replace('demo', 'one');
  const first = await rawClient(edge.port());
  first.send(text);
  const peer = await instance.accept();
  await peer.head();
  client.send(request('POST', '/later', 'Transfer-Encoding: chunked\r\n', '4\r\nbo').replace('demo', 'one'));
  client.send('dy\r\n0\r\n').send('\r\n').end();
  peer.send(answer('first'));
  await first.response();
  const head = await peer.head();
  expect(head).toMatch('POST /later');
  expect(await peer.through('0\r\n\r\n')).toBe('4\r\nbody\r\n0\r\n\r\n');
  peer.send(answer('late'));
  expect((await client.response()).body).toBe('late');
  first.end();
});

describe.each(['FIN', 'RST'] as const)('an instance that ends with %s in the middle', (how) => {
  const leave = (peer: RawSocket) => (how === 'FIN' ? peer.destroy() : peer.reset());

  test.each([
    ['a body with length', 'Content-Length: 100\r\n', 'half'],
    ['a chunk', 'Transfer-Encoding: chunked\r\n', '10\r\nhalf'],
    ['a chunked body, between chunks', 'Transfer-Encoding: chunked\r\n', '4\r\nhalf\r\n'],
    // This client has asked for no trailers; the end of the body waits for theirs, or the answer would look whole.
    ['the trailers', 'Transfer-Encoding: chunked\r\n', '4\r\nhalf\r\n0\r\nX-A: ', '4\r\nhalf\r\n0\r\n'],
  ])('of %s leaves a broken answer', async (_what, fields, part, passed = part) => {
    const watch = await edge.watch();
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    peer.send(`HTTP/1.1 200 OK\r\n${fields}\r\n${part}`);
    await client.through(passed);
    leave(peer);
    await client.peerEnd();
    expect(client.text).toBe('');
    client.end();
    await watch.moved({ 'edge 200': 1, 'app 200': 1, 'error instance_broke_off': 1 });
  });

  test('of its head is a 502', async () => {
    const watch = await edge.watch();
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    peer.send('HTTP/1.1 200 OK\r\nContent-Le');
    leave(peer);
    expect((await client.response()).status).toBe(502);
    client.end();
    await watch.moved({ 'edge 502': 1, 'error instance_closed': 1 });
  });
});

test('an instance that resets a body that ends with the connection: the client is reset too', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\n\r\nhalf');
  await client.through('half');
  peer.reset();
  expect(await client.peerEnd()).toBe('reset');
  await watch.moved({ 'edge 200': 1, 'app 200': 1, 'error instance_broke_off': 1 });
});

test('an HTTP/1.0 client, whose chunked answer breaks off, is reset', async () => {
  client.send('GET / HTTP/1.0\r\nHost: demo.test\r\n\r\n');
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
  await client.through('half');
  peer.destroy();
  expect(await client.peerEnd()).toBe('reset');
});

test('an instance that stops in the middle of its body is left at response_idle_timeout', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await client.through('half');
  await client.peerEnd();
  expect(client.text).toBe('');
  await peer.peerEnd();
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1, 'error instance_broke_off': 1 });
});

test('bytes after an answer do not reach anyone: the connection is not used again', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(`${answer('mine')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
  expect((await client.response()).body).toBe('mine');
  client.send(get());
  const next = await instance.accept();
  await next.head();
  next.send(answer('next'));
  expect((await client.response()).body).toBe('next');
  await peer.peerEnd();
});
