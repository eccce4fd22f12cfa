import { beforeEach, describe, expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    return { apps: [{ name: 'demo', fly: service(), instances }] };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

describe('Expect: 100-continue', () => {
  test('the instance is asked, its 100 is relayed, and only then the body comes', async () => {
    const watch = await edge.watch();
    client.send(request('PUT', '/', 'Expect: 100-continue\r\nContent-Length: 4\r\n'));
    const peer = await instance.accept();
    expect(await peer.head()).toMatch(/\r\nExpect: 100-continue\r\n/);
    peer.send('HTTP/1.1 100 Continue\r\n\r\n');
    expect(await client.head()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    client.send('body');
    expect(await peer.bytes(4)).toBe('body');
    peer.send(answer());
    expect((await client.response()).status).toBe(200);
    client.end();
    await watch.moved({ 'edge 200': 1, 'app 200': 1 });
  });

  test('an instance may refuse instead: the answer passes, and the body is not awaited', async () => {
    const watch = await edge.watch();
    client.send(request('PUT', '/', 'Expect: 100-continue\r\nContent-Length: 4\r\n'));
    const peer = await instance.accept();
    await peer.head();
    peer.send(answer('no', '', '417 Expectation Failed'));
    expect(await client.response()).toMatchObject({ status: 417, body: 'no', fields: { connection: 'close' } });
    expect(await client.peerEnd()).toBe('fin');
    client.end();
    await watch.moved({ 'edge 417': 1, 'app 417': 1 });
  });
});

test('several interim responses pass with their fields, and are not counted', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
  peer.send(hints.slice(0, 30));
  await new Promise(setImmediate);
  peer.send(hints.slice(30) + hints + answer('page'));
  expect(await client.head()).toBe(hints);
  expect(await client.head()).toBe(hints);
  expect(await client.response()).toMatchObject({ status: 200, body: 'page' });
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('an HTTP/1.0 client gets no interim response', async () => {
  client.send('GET / HTTP/1.0\r\nHost: demo.test\r\n\r\n');
  const peer = await instance.accept();
  await peer.head();
  peer.send(`HTTP/1.1 103 Early Hints\r\n\r\n${answer('page')}`);
  expect(await client.response()).toMatchObject({ status: 200, body: 'page' });
});
