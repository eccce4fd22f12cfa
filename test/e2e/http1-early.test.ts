import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, post, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';

/** Answers that begin before the request has ended. */

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    const secure = { port: 443, handlers: ['tls', 'http'], more: 'tls_options = { default_self_signed = true }' };
    return {
      apps: [{ name: 'demo', fly: service() + service(secure), instances }],
      ports: [80, 443],
      limits: { body_size: 40_000_000 },
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

const coding = 'Transfer-Encoding: chunked\r\n';
/** More than all kernels on the way take: it is not through when the answer comes. */
const body = Buffer.alloc(30_000_000);
const upload = (length: number) => request('POST', '/', `Content-Length: ${length}\r\n`);

test('an early refusal reaches the client whole, although it goes on sending', async () => {
  const watch = await edge.watch();
  client.send(upload(5_000_000)).send(randomBytes(100_000));
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer('too large', '', '413 Content Too Large'));
  const response = await client.response();
  expect(response).toMatchObject({ status: 413, body: 'too large', fields: { connection: 'close' } });
  // The rest is read and dropped, so that no RST takes the answer away; then both ends see an orderly end.
  client.send(randomBytes(2_000_000));
  expect(await client.peerEnd()).toBe('fin');
  await peer.peerEnd();
  client.end();
  await watch.moved({ 'edge 413': 1, 'app 413': 1 });
});

test('an instance that answers early and closes at once is heard', async () => {
  const watch = await edge.watch();
  client.send(upload(5_000_000));
  const peer = await instance.accept();
  await peer.head();
  peer.send(answer('no', 'Connection: close\r\n', '403 Forbidden')).end();
  client.send(randomBytes(1_000_000));
  expect(await client.response()).toMatchObject({ status: 403, body: 'no' });
  client.end();
  await watch.moved({ 'edge 403': 1, 'app 403': 1 });
});

test('a refusal that is followed by RST, while the upload is being written, is heard each time', async () => {
  const watch = await edge.watch();
  const rounds = 30;
  const statuses: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const uploader = await rawClient(edge.port());
    uploader.send(upload(body.length)).send(body);
    const peer = await instance.accept();
    await peer.head();
    // What has come and was not read makes the kernel send RST instead of FIN.
    peer.socket.pause();
    peer.socket.write(answer('no', 'Connection: close\r\n', '413 Content Too Large'), () => peer.destroy());
    statuses.push((await uploader.response()).status);
    uploader.destroy();
  }
  expect(statuses).toEqual(Array.from({ length: rounds }, () => 413));
  await watch.moved({ 'edge 413': rounds, 'app 413': rounds });
});

describe.each(['plain', 'TLS'])('over %s, a refusal that RST follows while the upload is being written', (over) => {
  test.each([
    ['without a length, which the connection ends', 'HTTP/1.1 413 Content Too Large\r\n\r\nno', 'no'],
    ['of HTTP/1.0', 'HTTP/1.0 401 Unauthorized\r\n\r\nno', 'no'],
    ['that is cut off', 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\nno', 'no'],
    ['that is cut off between chunks', `HTTP/1.1 413 Content Too Large\r\n${coding}\r\n2\r\nno\r\n`, '2\r\nno\r\n'],
    ['after an interim answer', `HTTP/1.1 100 Continue\r\n\r\n${answer('no', '', '413 Content Too Large')}`, 'no'],
  ])('%s, is heard each time', async (what, bytes, text) => {
    const rounds = 5;
    const watch = await edge.watch();
    const heard: unknown[] = [];
    for (let i = 0; i < rounds; i++) {
      const uploader = await rawClient(
        edge.port(over === 'TLS' ? 443 : 80),
        over === 'TLS' ? { servername: 'demo.test' } : undefined,
      );
      uploader.send(upload(body.length)).send(body);
      const peer = await instance.accept();
      await peer.head();
      peer.socket.pause();
      peer.socket.write(bytes, () => peer.destroy());
      let head = await uploader.head();
      if (head.startsWith('HTTP/1.1 100')) head = await uploader.head();
      // This answer has a length: when the edge has taken the whole upload before it, the connection stays.
      if (what.includes('interim')) uploader.end();
      const end = await uploader.peerEnd();
      heard.push([/\d{3}/.exec(head.slice(9))![0], uploader.take(), end]);
      uploader.end();
    }
    const status = /HTTP\/1\.\d (4\d\d)/.exec(bytes)![1]!;
    expect(heard).toEqual(Array.from({ length: rounds }, () => [status, text, 'fin']));
    await watch.moved({
      [`edge ${status}`]: rounds,
      [`app ${status}`]: rounds,
      ...(what.includes('cut off') && { 'error instance_broke_off': rounds }),
      ...(over === 'TLS' && { 'handshake TLSv1.3': rounds }),
    });
  });
});

test('a request and its answer stream at the same time, chunk for chunk', async () => {
  const watch = await edge.watch();
  client.send(request('POST', '/', 'Transfer-Encoding: chunked\r\n'));
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  await client.head();
  for (const chunk of ['1\r\na\r\n', '2\r\nbc\r\n', '3\r\ndef\r\n', '0\r\n\r\n']) {
    client.send(chunk);
    expect(await peer.bytes(chunk.length)).toBe(chunk);
    peer.send(chunk);
    expect(await client.bytes(chunk.length)).toBe(chunk);
  }
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1 });
});

test('an answer that outlasts the request it overlaps does not lose the next one', async () => {
  client.send(upload(4));
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none');
  await client.through('one');
  client.send(`body${get('/next')}`);
  expect(await peer.bytes(4)).toBe('body');
  peer.send('two');
  expect(await client.bytes(3)).toBe('two');
  // The answer's head said close, since the request was not complete then.
  expect(await client.peerEnd()).toBe('fin');
  expect(peer.text).toBe('');
});

test('a body over the limit is refused by its length, before the instance hears of it', async () => {
  const watch = await edge.watch();
  client.send(upload(40_000_001));
  expect(await client.response()).toMatchObject({ status: 413, fields: { connection: 'close' } });
  client.end();
  expect(instance.open).toBe(0);
  await watch.moved({ 'edge 413': 1, 'error content_too_large': 1 });
});

test('a chunked body over the limit is refused where it crosses it, and the instance sees no end', async () => {
  const watch = await edge.watch();
  client.send(request('POST', '/', 'Transfer-Encoding: chunked\r\n'));
  const peer = await instance.accept();
  await peer.head();
  const size = 1_000_000;
  for (let i = 0; i < 41; i++) client.send(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`);
  expect(await client.response()).toMatchObject({ status: 413, fields: { connection: 'close' } });
  await peer.peerEnd();
  expect(peer.text.endsWith('0\r\n\r\n')).toBe(false);
  client.end();
  await watch.moved({ 'edge 413': 1, 'error content_too_large': 1 });
});

test('a small body with its request is one message to the instance', async () => {
  client.send(post('hello'));
  const peer = await instance.accept();
  await peer.through('\r\n\r\nhello');
});
