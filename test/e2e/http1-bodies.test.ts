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
    const trailers = service({ more: 'http_options = { request_trailers = true }' });
    const unsigned = service({ more: 'http_options = { response = { headers = { X-Sig = false } } }' });
    return {
      apps: [
        { name: 'demo', fly: service(), instances },
        { name: 'trailers', fly: trailers, instances },
        { name: 'unsigned', fly: unsigned, instances },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

/** Extensions, hex in both cases, leading zeros, trailers: of each of it readers make different things. */
const chunked = '3;a=b;c="d;e"\r\nabc\r\n000A\r\n0123456789\r\n0;last=1\r\nX-Sum: 13\r\nX-More: \r\n\r\n';
/** As we write it. */
const anew = '3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n';
const sums = anew.replace(/\r\n$/, 'X-Sum: 13\r\nX-More: \r\n\r\n');
const coding = 'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n';

describe('chunked', () => {
  test('a request goes on with chunk lines of our own and without trailers', async () => {
    client.send(request('POST', '/', coding, chunked));
    const peer = await instance.accept();
    const head = await peer.head();
    expect(head).toMatch(/\r\nTransfer-Encoding: chunked\r\n/);
    expect(head).not.toMatch(/trailer/i);
    expect(await peer.bytes(anew.length)).toBe(anew);
    peer.send(answer());
    expect((await client.response()).status).toBe(200);
    client.send(get('/next'));
    expect(await peer.head()).toMatch(/^GET \/next/);
  });

  test('a request whose bytes come alone goes on in step, and the connection is used again', async () => {
    const watch = await edge.watch();
    client.send(request('POST', '/', coding));
    const peer = await instance.accept();
    await peer.head();
    for (const [sent, got] of [
      ['3;a=b;c=', ''],
      ['"d;e"\r\n', '3\r\n'],
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
      ['\r\n00', '\r\n'],
      ['0A\r\n01234', 'a\r\n01234'],
      ['56789\r\n0;last=1\r\n', '56789\r\n0\r\n'],
      ['X-Sum: 13\r\nGET: /smuggled HTTP/1.1\r\n', ''],
      ['\r\n', '\r\n'],
    ] as const) {
      client.send(sent);
      expect(await peer.bytes(got.length)).toBe(got);
    }
    peer.send(answer());
    await client.response();
    client.send(get('/next'));
    expect(await peer.head()).toMatch(/^GET \/next/);
    peer.send(answer('next'));
    expect((await client.response()).body).toBe('next');
    client.end();
    await watch.moved({ 'edge 200': 2, 'app 200': 2, 'edge connects': 1, 'app connects': 1 });
  });

  test('an app that asks for request trailers gets those that may be some', async () => {
    const more = 'Transfer-Encoding: chunked\r\nTrailer: X-Sum, Content_Length, X-Hop\r\nConnection: X-Hop\r\n';
    const end = '0;x\r\nX-Sum: 1\r\nContent_Length: 5\r\nX-Hop: 2\r\nFly-Client-IP: 6.6.6.6\r\nVia: x\r\n\r\n';
    client.send(request('POST', '/', more, `3\r\nabc\r\n${end}`, 'trailers.test'));
    const peer = await instance.accept();
    expect(await peer.head()).toMatch(/\r\nTrailer: X-Sum\r\n/);
    const goes = '3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n';
    expect(await peer.bytes(goes.length)).toBe(goes);
    peer.send(answer());
    expect((await client.response()).status).toBe(200);
  });

  test.each([
    ['TE: trailers\r\n', true],
    ['TE: deflate;q=0.5, Trailers\r\nConnection: TE\r\n', true],
    ['TE: gzip\r\nTE:\ttrailers;q=0.1\r\n', true],
    ['TE: trailers;q=0\r\n', false],
    ['TE: trailers ; q=0.000\r\n', false],
    ['TE: gzip\r\n', false],
    ['TE: xtrailers\r\n', false],
    ['T_E: trailers\r\n', false],
    ['', false],
  ])('%j decides on the trailers of an answer', async (fields, takes) => {
    const watch = await edge.watch();
    client.send(get('/', fields));
    const peer = await instance.accept();
    const asked = await peer.head();
    const te = /^te: ?(.*)$/im.exec(asked)?.[1];
    expect([te, /^connection: ?(.*)$/im.exec(asked)?.[1]]).toEqual(takes ? ['trailers', 'TE'] : [undefined, undefined]);
    peer.send(`HTTP/1.1 200 OK\r\n${coding}\r\n${chunked}`);
    const { body, fields: answered } = await client.response();
    expect(body).toBe(takes ? sums : anew);
    expect(answered.trailer).toBe(takes ? 'X-Sum' : undefined);
    client.send(get('/next'));
    expect(await peer.head()).toMatch(/^GET \/next/);
    peer.send(answer());
    await client.response();
    client.end();
    await watch.moved({ 'edge 200': 2, 'app 200': 2, 'edge connects': 1, 'app connects': 1 });
  });

  test('a trailer that none may be is dropped from an answer, which goes on', async () => {
    client.send(get('/', 'TE: trailers\r\n'));
    const peer = await instance.accept();
    await peer.head();
    const bad = 'Content-Length: 5\r\nSet-Cookie: a=b\r\ntransfer_encoding: x\r\nFly-Request-Id: forged\r\n';
    peer.send(`HTTP/1.1 200 OK\r\nTrailer: Set-Cookie\r\n${coding}\r\n3\r\nabc\r\n0\r\n${bad}X-Sum: 1\r\n\r\n`);
    const { status, body, fields } = await client.response();
    expect([status, body, fields.trailer]).toEqual([200, '3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n', 'X-Sum']);
  });

  test('a trailer that the app removes is not announced either', async () => {
    client.send(request('GET', '/', 'TE: trailers\r\n', '', 'unsigned.test'));
    const peer = await instance.accept();
    await peer.head();
    peer.send(
      'HTTP/1.1 200 OK\r\nTrailer: x-sig, X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sig: 1\r\nX-Sum: 2\r\n\r\n',
    );
    const { body, fields } = await client.response();
    expect([body, fields.trailer]).toEqual(['0\r\nX-Sum: 2\r\n\r\n', 'X-Sum']);
  });

  test('Upgrade and TE are both options of Connection', async () => {
    client.send(get('/', 'TE: trailers\r\nConnection: Upgrade, TE\r\nUpgrade: websocket\r\n'));
    const peer = await instance.accept();
    expect(await peer.head()).toMatch(/\r\nConnection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n/);
  });

  test('an HTTP/1.0 client gets the payload alone, ended by the connection', async () => {
    client.send('GET / HTTP/1.0\r\nHost: demo.test\r\nConnection: keep-alive\r\n\r\n');
    const peer = await instance.accept();
    await peer.head();
    peer.send(`HTTP/1.1 200 OK\r\n${coding}\r\n${chunked.slice(0, 20)}`);
    const head = await client.head();
    expect(head).not.toMatch(/transfer-encoding|trailer|keep-alive/i);
    expect(head).toMatch(/\r\nConnection: close\r\n/);
    peer.send(chunked.slice(20));
    expect(await client.peerEnd()).toBe('fin');
    expect(client.take()).toBe('abc0123456789');
  });

  test('another coding below the chunks cannot be told to an HTTP/1.0 client: 502', async () => {
    const watch = await edge.watch();
    client.send('GET / HTTP/1.0\r\nHost: demo.test\r\n\r\n');
    const peer = await instance.accept();
    await peer.head();
    peer.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${chunked}`);
    expect(await client.head()).toMatch(/^HTTP\/1\.1 502 /);
    client.end();
    await watch.moved({ 'edge 502': 1, 'error instance_bad_response': 1 });
  });

  test('a break in the framing of a request that has begun to pass ends it with 400, and the instance sees no end', async () => {
    const watch = await edge.watch();
    client.send(request('POST', '/', coding, '3\r\nabc\r\n'));
    const peer = await instance.accept();
    await peer.through('3\r\nabc\r\n');
    client.send('zz\r\n');
    expect(await client.response()).toMatchObject({ status: 400, fields: { connection: 'close' } });
    await peer.peerEnd();
    expect(peer.text).toBe('');
    expect(await client.peerEnd()).toBe('fin');
    client.end();
    await watch.moved({ 'edge 400': 1, 'error bad_request': 1 });
  });
});

test.each([
  ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'],
  ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\n'],
])('%s answered with %j has no body, and both connections go on', async (method, text) => {
  client.send(request(method));
  const peer = await instance.accept();
  await peer.head();
  peer.send(text);
  const { head } = await client.response(method);
  for (const line of text.trim().split('\r\n')) expect(head).toContain(line);
  client.send(get('/next'));
  await peer.head();
  peer.send(answer('next'));
  expect((await client.response()).body).toBe('next');
});

describe('a response that ends with the connection', () => {
  test.each(['1.1', '1.0'])('reaches a client of HTTP/%s', async (version) => {
    const watch = await edge.watch();
    client.send(`GET / HTTP/${version}\r\nHost: demo.test\r\n\r\n`);
    const peer = await instance.accept();
    await peer.head();
    peer.send('HTTP/1.1 200 OK\r\n\r\nfirst, ');
    expect(await client.head()).toMatch(/\r\nConnection: close\r\n/);
    expect(await client.bytes(7)).toBe('first, ');
    peer.send('second').end();
    expect(await client.peerEnd()).toBe('fin');
    expect(client.take()).toBe('second');
    client.end();
    await watch.moved({ 'edge 200': 1, 'app 200': 1 });
  });

  test('comes from an instance of HTTP/1.0 as 1.1', async () => {
    client.send(get());
    const peer = await instance.accept();
    await peer.head();
    peer.send('HTTP/1.0 200 Fine\r\nX-A: b\r\n\r\nall').end();
    const response = await client.response();
    expect(response.head).toMatch(/^HTTP\/1\.1 200 Fine\r\nX-A: b\r\n/);
    expect(response.body).toBe('all');
  });
});

test('an HTTP/1.0 instance that keeps its connection alive is used again', async () => {
  for (const body of ['a', 'b']) {
    client.send(get());
    const peer = body === 'a' ? await instance.accept() : instance.connections.at(-1)!;
    await peer.head();
    peer.send(`HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n${body}`);
    expect((await client.response()).body).toBe(body);
  }
});

test('a body that ends near the limit of one string or one head arrives whole', async () => {
  let peer: Awaited<ReturnType<RawInstance['accept']>> | null = null;
  for (const length of [16_000, 16_250, 16_300, 16_383, 16_384, 16_385, 16_400, 16_500, 17_000, 33_000, 65_500]) {
    client.send(get());
    peer ??= await instance.accept();
    await peer.head();
    const body = Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
    peer.send(`HTTP/1.1 200 OK\r\nX-Pad: ${'p'.repeat(80)}\r\nContent-Length: ${length}\r\n\r\n${body}`);
    const response = await client.response();
    expect(response.body.length, `${length}`).toBe(length);
    expect(response.body === body, `${length}`).toBe(true);
  }
});

test.each([
  ['GET', 'Content-Length: 4\r\n', 'body'],
  ['DELETE', 'Content-Length: 4\r\n', 'body'],
  ['OPTIONS', 'Transfer-Encoding: chunked\r\n', '4\r\nbody\r\n0\r\n\r\n'],
])('a body of %s is framed as it came', async (method, fields, body) => {
  client.send(request(method, '/', fields, body));
  const peer = await instance.accept();
  expect(await peer.head()).toContain(`\r\n${fields}`);
  expect(await peer.bytes(body.length)).toBe(body);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
  client.send(get('/next'));
  expect(await peer.head()).toMatch('GET /next');
});

test('an answer that comes byte by byte is the same answer', async () => {
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  for (const byte of answer('hello', 'X-A: \xc3\xa9\r\n')) {
    peer.send(byte);
    await new Promise(setImmediate);
  }
  expect(await client.response()).toMatchObject({ status: 200, body: 'hello', fields: { 'x-a': '\xc3\xa9' } });
});

test('Transfer-Encoding never goes to a client of HTTP/1.0, not even after HEAD', async () => {
  client.send('HEAD / HTTP/1.0\r\nHost: demo.test\r\n\r\n');
  const peer = await instance.accept();
  await peer.head();
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  expect((await client.response('HEAD')).head).not.toMatch(/transfer-encoding/i);
});
