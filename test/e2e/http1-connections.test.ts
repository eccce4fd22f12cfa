import { expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, post } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';

let edge: Edge;
let instance: RawInstance;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    return {
      apps: [
        { name: 'demo', fly: service({ type: 'connections', more: 'http_options = { idle_timeout = 1 }' }), instances },
        { name: 'pooled', fly: service({ more: 'http_options = { idle_timeout = 1 }' }), instances },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);

const http10 = (more = '') => `GET /old HTTP/1.0\r\nHost: demo.test\r\n${more}\r\n`;

test('a connection carries one request after the other', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  for (const path of ['/1', '/2', '/3']) {
    client.send(get(path));
    const peer = await instance.accept();
    expect(await peer.head()).toMatch(`GET ${path} HTTP/1.1\r\n`);
    peer.send(answer(path));
    const response = await client.response();
    expect(response).toMatchObject({ status: 200, body: path });
    expect(response.fields.connection).toBeUndefined();
  }
  client.end();
  expect(await client.peerEnd()).toBe('fin');
  const { bytesWritten, bytesRead } = client.socket;
  const bytes = { 'bytes in': bytesWritten, 'bytes out': bytesRead };
  await watch.moved({ 'edge 200': 3, 'app 200': 3, 'edge connects': 1, 'app connects': 3, ...bytes });
});

test('with type "connections" each request has a connection of its own, which says so and is ended', async () => {
  const client = await rawClient(edge.port());
  client.send(get());
  const peer = await instance.accept();
  expect(await peer.head()).toMatch(/\r\nConnection: close\r\n/);
  peer.send(answer());
  await client.response();
  expect(await peer.peerEnd()).toBe('reset');
});

test('with type "requests" a connection to the instance is used again, by any client', async () => {
  const watch = await edge.watch();
  const text = get().replace('demo.test', 'pooled.test');
  const first = await rawClient(edge.port());
  first.send(text);
  const peer = await instance.accept();
  expect(await peer.head()).not.toMatch(/connection:/i);
  peer.send(answer('1'));
  expect((await first.response()).body).toBe('1');
  const second = await rawClient(edge.port());
  second.send(text);
  await peer.head();
  peer.send(answer('2'));
  expect((await second.response()).body).toBe('2');
  first.end();
  second.end();
  await watch.moved({ 'edge 200': 2, 'app 200': 2, 'edge connects': 2, 'app connects': 1 });
});

test('pipelined requests are answered in order, however slow the first', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  client.send(get('/1') + post('body of 2') + get('/3'));
  const first = await instance.accept();
  await first.head();
  expect(instance.connections).toHaveLength(instance.connections.indexOf(first) + 1);
  first.send(answer('one'));
  const second = await instance.accept();
  await second.through('body of 2');
  second.send(answer('two'));
  const third = await instance.accept();
  expect(await third.head()).toMatch('GET /3');
  expect((await client.response()).body).toBe('one');
  expect((await client.response()).body).toBe('two');
  third.send(answer('three'));
  expect((await client.response()).body).toBe('three');
  client.end();
  await watch.moved({ 'edge 200': 3, 'app 200': 3 });
});

test('a hundred requests in one write are all answered', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  const count = 100;
  client.send(Array.from({ length: count }, (_, i) => get(`/${i}`)).join(''));
  for (let i = 0; i < count; i++) {
    const peer = await instance.accept();
    const path = / (\S+) /.exec(await peer.head())![1]!;
    expect(path).toBe(`/${i}`);
    peer.send(answer(path));
  }
  for (let i = 0; i < count; i++) expect((await client.response()).body).toBe(`/${i}`);
  client.end();
  await watch.moved({ 'edge 200': count, 'app 200': count });
});

test('a head that comes byte by byte is the same request', async () => {
  const client = await rawClient(edge.port());
  for (const byte of `\r\n${get('/slowly', 'X-A: b\r\n')}`) {
    client.send(byte);
    await new Promise(setImmediate);
  }
  const peer = await instance.accept();
  expect(await peer.head()).toMatch(/^GET \/slowly HTTP\/1\.1\r\nHost: demo\.test\r\nX-A: b\r\n/);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
});

test('Connection: close ends the connection after the answer, and what was pipelined behind it is not served', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  client.send(get('/last', 'Connection: close\r\n') + get('/never'));
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer());
  expect((await client.response()).fields.connection).toBe('close');
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('an HTTP/1.0 client gets one answer and the end', async () => {
  const client = await rawClient(edge.port());
  client.send(http10());
  const peer = await instance.accept();
  expect(await peer.head()).toMatch(/^GET \/old HTTP\/1\.1\r\n/);
  peer.send(answer('old'));
  expect(await client.response()).toMatchObject({ body: 'old', fields: { connection: 'close' } });
  expect(await client.peerEnd()).toBe('fin');
});

test('an HTTP/1.0 client that asks for it keeps its connection, and is told', async () => {
  const client = await rawClient(edge.port());
  for (const body of ['a', 'b']) {
    client.send(http10('Connection: keep-alive\r\n'));
    const peer = await instance.accept();
    await peer.head();
    peer.send(answer(body));
    expect(await client.response()).toMatchObject({ body, fields: { connection: 'keep-alive' } });
  }
});

test('an idle connection is closed in silence', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer());
  await client.response();
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('a client that half closes after its request still gets the answer', async () => {
  const watch = await edge.watch();
  const client = await rawClient(edge.port());
  client.send(get('/1') + get('/2')).end();
  for (const body of ['1', '2']) {
    const peer = await instance.accept();
    await peer.head();
    peer.send(answer(body));
    expect((await client.response()).body).toBe(body);
  }
  expect(await client.peerEnd()).toBe('fin');
  await watch.moved({ 'edge 200': 2, 'app 200': 2 });
});

test('a request of HTTP/1.0 without Host goes on with the Host that 1.1 must have', async () => {
  const client = await rawClient(edge.port());
  client.send('GET http://demo.test:81/x HTTP/1.0\r\n\r\n');
  const peer = await instance.accept();
  const head = await peer.head();
  expect(head).toMatch(/^GET \/x HTTP\/1\.1\r\n/);
  expect(head).toMatch(/\r\nHost: demo\.test:81\r\n/);
});
