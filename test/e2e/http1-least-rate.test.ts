/** Clients that send or read too slowly keep no place, and those that are slow for another reason are not cut. */

import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import { sum } from '../helpers/exposition.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let edge: Edge;
let instance: RawInstance;
const rawPort = 6000;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa01', port: instance.port }];
    return {
      ports: [80, rawPort],
      limits: { least_rate_after: '"1s"' },
      apps: [
        { name: 'demo', instances },
        { name: 'one', fly: service({ soft: 1, hard: 1 }), instances },
        { name: 'patient', fly: service({ more: 'http_options = { least_rate = 0 }' }), instances },
        { name: 'strict', fly: service({ more: 'http_options = { least_rate = 1_000_000 }' }), instances },
        { name: 'raw', fly: service({ port: rawPort, handlers: [], type: 'connections' }), instances },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);
afterEach(() => instance.forget());

const length = 'Content-Length: 900000000\r\n';
const chunked = 'Transfer-Encoding: chunked\r\n';

/** Begins a request, by a client of its own, and gives both ends once its head has arrived. */
async function begin(fields: string, app = 'demo', method = 'POST'): Promise<[client: RawSocket, peer: RawSocket]> {
  const client = await rawClient(edge.port());
  client.send(request(method, '/', fields, '', `${app}.test`));
  const peer = await instance.accept();
  await peer.head();
  return [client, peer];
}

/** Sends again and again, until the test ends. */
function drip(client: RawSocket, bytes: string, period: number): void {
  const timer = setInterval(() => {
    if (client.ended === 'no') client.send(bytes);
  }, period);
  onTestFinished(() => clearInterval(timer));
}

test('a client that sends too little of its body gets 408', async () => {
  const watch = await edge.watch();
  const kinds: [fields: string, bytes: string][] = [
    [length, 'x'],
    [chunked, '1\r\nx\r\n'],
    [length, ''],
    // One line of a chunk without end.
    [chunked, '0'],
  ];
  const ends: [client: RawSocket, peer: RawSocket][] = [];
  for (const [fields, bytes] of kinds) {
    const [client, peer] = await begin(fields);
    if (bytes !== '') drip(client, bytes, 200);
    ends.push([client, peer]);
  }
  for (const [client, peer] of ends) {
    expect(await client.response()).toMatchObject({ status: 408, fields: { connection: 'close' } });
    expect(await peer.peerEnd()).toBe('reset');
    client.end();
  }
  await watch.moved({ 'edge 408': kinds.length, 'error slow_request': kinds.length });
});

test('its place below the hard limit is free then', async () => {
  const watch = await edge.watch();
  const [slow] = await begin(length, 'one');
  drip(slow, 'x', 200);
  const next = await rawClient(edge.port());
  next.send(request('GET', '/next', '', '', 'one.test'));
  expect((await slow.response()).status).toBe(408);
  const peer = await instance.accept();
  expect(await peer.head()).toMatch('GET /next ');
  peer.send(answer('next'));
  expect((await next.response()).body).toBe('next');
  slow.end();
  next.end();
  await watch.moved({ 'edge 408': 1, 'edge 200': 1, 'app 200': 1, 'error slow_request': 1, soft: 2, hard: 2 });
});

test('an app may ask for more than the edge does', async () => {
  const [client] = await begin(length, 'strict');
  drip(client, 'x'.repeat(1000), 100);
  expect((await client.response()).status).toBe(408);
  client.end();
});

describe('a client that does not read', () => {
  /** Bytes without end, as fast as they are taken. */
  function pour(peer: RawSocket, fields = ''): void {
    peer.send(`HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n${fields}\r\n`);
    const block = Buffer.alloc(64 * 1024);
    const more = () => {
      while (!peer.socket.destroyed && peer.socket.write(block));
    };
    peer.socket.on('drain', more);
    more();
  }

  test('is cut with RST, and its place is free', async () => {
    const watch = await edge.watch();
    const [client, peer] = await begin('', 'one', 'GET');
    client.socket.pause();
    pour(peer);
    expect(await peer.peerEnd()).toBe('reset');
    client.socket.resume();
    expect(await client.peerEnd()).toBe('reset');
    await watch.moved({ 'edge 200': 1, 'app 200': 1, 'error slow_reader': 1, soft: 1, hard: 1 });
  });

  test('while one that reads slowly, or has read and pauses, and one of events or gRPC, is not', async () => {
    const [slow, slowPeer] = await begin('', 'demo', 'GET');
    const [events, eventsPeer] = await begin('', 'demo', 'GET');
    const [grpc, grpcPeer] = await begin(`Content-Type: application/grpc\r\n${length}`);
    const [patient, patientPeer] = await begin('', 'patient', 'GET');
    const [cut, cutPeer] = await begin('', 'demo', 'GET');
    for (const client of [slow, events, grpc, patient, cut]) client.socket.pause();
    pour(slowPeer);
    pour(eventsPeer, 'Content-Type: text/Event-Stream; charset=utf-8\r\n');
    pour(grpcPeer);
    pour(patientPeer);
    pour(cutPeer);
    // The kernel's buffers are megabytes: it takes more of an answer in steps that are seconds apart.
    let read = 0;
    const timer = setInterval(() => (read += slow.socket.read(50_000)?.length ?? 0), 100);
    onTestFinished(() => clearInterval(timer));
    slow.socket.removeAllListeners('data');
    slow.socket.on('readable', () => {});
    expect(await cutPeer.peerEnd()).toBe('reset');
    const before = read;
    const [again, againPeer] = await begin('', 'demo', 'GET');
    again.socket.pause();
    pour(againPeer);
    expect(await againPeer.peerEnd()).toBe('reset');
    for (const peer of [slowPeer, eventsPeer, grpcPeer, patientPeer]) expect(peer.ended).toBe('no');
    expect(read).toBeGreaterThan(before);
    for (const client of [slow, events, grpc, patient]) client.destroy();
  });
});

test('who is slow for another reason than his own is not cut', async () => {
  const clients: Record<string, RawSocket> = {};
  const keep = (what: string, [client, peer]: [RawSocket, RawSocket]): RawSocket => {
    clients[what] = client;
    return peer;
  };
  const begun = keep('whose answer has begun', await begin(chunked));
  begun.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
  drip(clients['whose answer has begun']!, '1\r\nx\r\n', 200);
  keep('of gRPC', await begin(`content-type: Application/gRPC+proto\r\n${chunked}`));
  keep('of gRPC for the web', await begin(`Content-Type: application/grpc-web\r\n${length}`));
  keep('that waits for 100', await begin(`Expect: 100-continue\r\n${length}`));
  keep('of a patient app', await begin(length, 'patient'));
  drip(clients['of a patient app']!, 'x', 200);
  keep('that is quick enough', await begin(length));
  drip(clients['that is quick enough']!, 'x'.repeat(100), 100);
  keep('that was quick', await begin(length));
  clients['that was quick']!.send('x'.repeat(50_000));
  keep('whose request is whole', await begin('', 'demo', 'GET'));
  const stuck = keep('whose instance does not read', await begin(length));
  stuck.socket.pause();
  clients['whose instance does not read']!.send(Buffer.alloc(20_000_000));
  const events = keep('of events', await begin('', 'demo', 'GET'));
  events.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
  const tunnel = keep('of a websocket', await begin('Connection: Upgrade\r\nUpgrade: websocket\r\n', 'demo', 'GET'));
  tunnel.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  clients['of raw TCP'] = await rawClient(edge.port(rawPort));
  await instance.accept();

  // As long as it takes to cut two others, one after the other.
  for (let i = 0; i < 2; i++) {
    const [slow] = await begin(length);
    expect((await slow.response()).status).toBe(408);
    slow.end();
  }
  for (const [what, client] of Object.entries(clients)) expect(`${what}: ${client.ended}`).toBe(`${what}: no`);
  expect(sum(await edge.scrape(), 'fly_edge_http_responses_count', { status: '408', app: 'patient' })).toBe(0);
  // And then goes on.
  stuck.socket.resume();
  await until(() => stuck.text.length === 20_000_000);
  begun.send('0\r\n\r\n');
  expect((await clients['whose answer has begun']!.response()).status).toBe(200);
  for (const client of Object.values(clients)) client.destroy();
});

test('after 100 (Continue) the time counts from the first byte on', async () => {
  const [client, peer] = await begin(`Expect: 100-continue\r\n${length}`);
  peer.send('HTTP/1.1 100 Continue\r\n\r\n');
  await client.head();
  client.send('x');
  expect((await client.response()).status).toBe(408);
  client.end();
});

test('a request whose beginning was kept while it waited for its place is no exception', async () => {
  const [first, firstPeer] = await begin('', 'one', 'GET');
  const second = await rawClient(edge.port());
  second.send(request('POST', '/', length, 'begun', 'one.test'));
  firstPeer.send(answer());
  expect((await first.response()).status).toBe(200);
  await firstPeer.head();
  expect((await second.response()).status).toBe(408);
  first.end();
  second.end();
});

test('a second request on the connection is measured by itself', async () => {
  const [client, peer] = await begin('Content-Length: 50000\r\n');
  client.send('x'.repeat(50_000));
  await peer.bytes(50_000);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
  client.send(request('POST', '/', length));
  await peer.head();
  expect((await client.response()).status).toBe(408);
  client.end();
});
