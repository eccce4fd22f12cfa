import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
let instance: RawInstance;
let deaf: ChildProcess;
let deafPort: number;
let fill: Socket[];
let client: RawSocket;

/** Listens with the shortest queue and accepts nothing once it is stopped: what the queue doesn't hold gets no answer. */
const deafProgram = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
  console.log(this.address().port);
});`;

beforeAll(async () => {
  instance = await RawInstance.start();
  deaf = spawn(process.execPath, ['-e', deafProgram], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(deaf.stdout!, 'data');
  deafPort = Number(line);
  deaf.kill('SIGSTOP');
  // What is in its queue stays there: it never accepts again.
  fill = Array.from({ length: 4 }, () => connect(deafPort, '127.0.0.1').on('error', () => {}));
  await until(() => fill.filter((socket) => !socket.connecting).length >= 2, 'a full queue');
  const fly = service({ more: 'http_options = { headers_read_timeout = 1, idle_timeout = 2 }' });
  edge = await Edge.start({
    apps: [
      { name: 'demo', fly, instances: [{ id: 'aa', port: instance.port }] },
      { name: 'deaf', fly, instances: [{ id: 'bb', port: deafPort }] },
    ],
    limits: {
      body_idle_timeout: '"1s"',
      response_timeout: '"600ms"',
      connect_timeout: '"500ms"',
      response_idle_timeout: '"600ms"',
    },
  });
});
afterAll(async () => {
  for (const socket of fill) socket.destroy();
  // A stopped process would outlive the test, whatever failed before.
  const ended = once(deaf, 'exit');
  deaf.kill('SIGKILL');
  await ended;
  await edge.stop();
  await instance.stop();
});
beforeEach(async () => {
  await edge.quiet();
  await instance.forget();
  client = await rawClient(edge.port());
});

const refused = (status: number, code: string) => ({ status, body: expect.stringMatching(`^${code}: `) });

test('a head that does not end: 408, also when its bytes keep coming', async () => {
  const watch = await edge.watch();
  client.send('GET / HTTP/1.1\r\nHost: demo.test\r\nX-A: ');
  const timer = setInterval(() => client.socket.writable && client.send('x'), 100);
  onTestFinished(() => clearInterval(timer));
  const response = await client.response();
  expect(response).toMatchObject({ ...refused(408, 'request_timeout'), fields: { connection: 'close' } });
  clearInterval(timer);
  expect(await client.peerEnd()).toBe('fin');
  client.end();
  await watch.moved({ 'unnamed edge 408': 1, 'unnamed error request_timeout': 1, 'unnamed edge connects': 1 });
});

test('a connection that never sends anything is closed in silence', async () => {
  const watch = await edge.watch();
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  client.end();
  await watch.moved({ 'unnamed edge connects': 1 });
});

test('an empty line after a request is no head: the connection is idle, and ends in silence', async () => {
  const watch = await edge.watch();
  client.send(`${get()}\r\n`);
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer());
  await client.response();
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('a second head that does not end counts for the app of the connection', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer());
  await client.response();
  client.send('GET / HTTP/1.1\r\n');
  expect(await client.response()).toMatchObject(refused(408, 'request_timeout'));
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1, 'edge 408': 1, 'error request_timeout': 1 });
});

test('a body that stops coming: 408, and the request to the instance is ended', async () => {
  const watch = await edge.watch();
  client.send(request('POST', '/', 'Content-Length: 10\r\n', 'half'));
  const peer = await instance.accept();
  await peer.through('half');
  expect(await client.response()).toMatchObject({
    ...refused(408, 'request_timeout'),
    fields: { connection: 'close' },
  });
  await peer.peerEnd();
  client.end();
  await watch.moved({ 'edge 408': 1, 'error request_timeout': 1 });
});

test('a slow body that keeps coming is not cut, however long it takes', async () => {
  const watch = await edge.watch();
  client.send(request('POST', '/', 'Content-Length: 8\r\n'));
  const peer = await instance.accept();
  await peer.head();
  const began = performance.now();
  for (let i = 0; i < 8; i++) {
    client.send('x');
    await peer.bytes(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(performance.now() - began).toBeGreaterThan(1000);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('an instance that has begun its answer may wait for the rest of the request', async () => {
  const watch = await edge.watch();
  client.send(request('POST', '/', 'Content-Length: 4\r\n'));
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
  await client.head();
  for (const byte of 'body') {
    await new Promise((resolve) => setTimeout(resolve, 400));
    client.send(byte);
  }
  await peer.bytes(4);
  peer.send('ok');
  expect(await client.bytes(2)).toBe('ok');
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('an answer that nobody reads: the connection is ended, and the instance let go', async () => {
  const watch = await edge.watch();
  client.send(get());
  client.socket.pause();
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
  peer.socket.write(Buffer.alloc(50_000_000));
  await until(() => peer.closed, 'the end of the request at the instance');
  await watch.moved({ 'edge 200': 1, 'app 200': 1, 'error idle_timeout': 1 });
});

test('an instance that does not answer: 504, and its connection is closed', async () => {
  const watch = await edge.watch();
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  expect(await client.response()).toMatchObject(refused(504, 'instance_timeout'));
  await peer.peerEnd();
  client.send(get('/next'));
  const next = await instance.accept();
  await next.through('/next');
  next.send(answer());
  expect((await client.response()).status).toBe(200);
  client.end();
  await watch.moved({ 'edge 504': 1, 'edge 200': 1, 'app 200': 1, 'error instance_timeout': 1 });
});

test('the wait for an answer begins when the request has ended', async () => {
  client.send(request('POST', '/', 'Content-Length: 4\r\n'));
  const peer = await instance.accept();
  await peer.head();
  for (const byte of 'body') {
    await new Promise((resolve) => setTimeout(resolve, 400));
    client.send(byte);
  }
  await peer.bytes(4);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
});

test('an instance that cannot be reached in time: 504', async () => {
  const watch = await edge.watch();
  client.send(get().replace('demo', 'deaf'));
  expect(await client.response()).toMatchObject(refused(504, 'instance_connect_timeout'));
  client.end();
  await watch.moved({ 'edge 504': 1, 'error instance_connect_timeout': 1, 'app connects': 0 });
});

test('with the default limits, an instance that cannot be reached in time costs nobody his request beside a healthy one', async () => {
  const healthy = await RawInstance.start((peer) => {
    peer.socket.on('data', () => peer.send(answer()).end());
  });
  const instances = [
    { id: 'good', port: healthy.port },
    { id: 'deaf', port: deafPort },
  ];
  const raw = '[[services]]\ninternal_port = 9\n[[services.ports]]\nport = 5432\n';
  const own = await Edge.start({
    apps: [
      { name: 'web', instances },
      { name: 'raw', fly: raw, instances },
    ],
    ports: [80, 5432],
  });
  onTestFinished(async () => {
    await own.stop();
    await healthy.stop();
  });
  const ask = async (port: number) => {
    const one = await rawClient(port);
    one.send(request('GET', '/', '', '', 'web.test'));
    return (await one.response()).status;
  };
  // Of equals one is chosen at random, and the one with fewer in flight first: half of each go to the deaf one.
  const all = [80, 5432].flatMap((port) => Array.from({ length: 4 }, () => ask(own.port(port))));
  expect(await Promise.all(all)).toEqual(all.map(() => 200));
});
