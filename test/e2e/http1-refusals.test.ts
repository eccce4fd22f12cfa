import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errors } from '../../src/proxy/errors.ts';
import { Edge, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { get, request, requestIdPattern } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';

let edge: Edge;
let instance: HttpInstance;
let client: RawSocket;

beforeAll(async () => {
  instance = await HttpInstance.start((request, response) => {
    const coding = request.headers['transfer-encoding'];
    if (coding !== undefined) response.setHeader('X-Coding', coding);
    request.resume();
    response.end(`${request.url} ${request.headers.host}`);
  });
  const instances = [{ id: 'aa', port: instance.port }];
  const forced = service({ more: 'force_https = true' }) + service({ port: 443, handlers: ['tls', 'http'] });
  const elsewhere = service({ more: 'force_https = true' }) + service({ port: 8443, handlers: ['tls', 'http'] });
  edge = await Edge.start({
    apps: [
      { name: 'demo', hostnames: ['demo.test', '*.demo.test'], instances },
      { name: 'forced', fly: forced, instances },
      { name: 'elsewhere', fly: elsewhere, instances },
    ],
    ports: [80, 443, 8443],
    limits: { head_size: 4096, head_count: 20 },
  });
});
afterAll(async () => {
  await edge.stop();
  await instance.stop();
});
beforeEach(async () => {
  await edge.quiet();
  instance.requests = 0;
  client = await rawClient(edge.port());
});

/** Each is refused because two readers could read it differently, or one could not read it at all. */
const unreadable: [string, string][] = [
  ['both lengths', request('POST', '/', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['two lengths', request('POST', '/', 'Content-Length: 4\r\nContent-Length: 4\r\n', 'body')],
  ...['+4', '-4', '04', '', ' 4', '\t4', '4\t', '4 ', '4, 4', '4,', '0x4', '4e0', '4.0', '\xa04', '4\xa0'].map(
    (length): [string, string] => [
      `Content-Length: ${JSON.stringify(length)}`,
      request('POST', '/', `Content-Length: ${length}\r\n`, 'body'),
    ],
  ),
  ...['\tdemo.test', ' \tdemo.test', 'demo.test\t', 'demo.test \t', '\xa0demo.test', 'demo.test\xa0'].map(
    (host): [string, string] => [`Host:${JSON.stringify(host)}`, `GET / HTTP/1.1\r\nHost:${host}\r\n\r\n`],
  ),
  ...[
    ...['gzip', 'identity', 'xchunked', 'chunked, gzip', 'chunked, chunked', 'gzip, chunked, chunked'],
    ...['chunked, identity, chunked', '', ',', 'gzip,, chunked', ', chunked', 'chunked,', 'gzip chunked'],
    ...['\xa0chunked', 'chunked\xa0', 'gzip, \xa0chunked', 'gzip\xa0, chunked', '\xa0', '\x85chunked', 'chun\xe9ed'],
    ...['\tchunked', 'chunked\t', 'gzip,\tchunked', 'gzip\t, chunked', 'chunked ', 'gzip, chunked '],
    ...['gzip;q=1, chunked', 'chunked;q=1', '"chunked"', 'gzip; , chunked', 'gzip, chunked;'],
  ].map((codings): [string, string] => [
    `Transfer-Encoding: ${JSON.stringify(codings)}`,
    request('POST', '/', `Transfer-Encoding: ${codings}\r\n`, '0\r\n\r\n'),
  ]),
  ...['chunked', 'gzip, chunked', 'gzip'].map((codings): [string, string] => [
    `Transfer-Encoding: ${codings} in HTTP/1.0`,
    `POST / HTTP/1.0\r\nHost: demo.test\r\nTransfer-Encoding: ${codings}\r\n\r\n0\r\n\r\n`,
  ]),
  ...['gzip', 'chunked', 'identity'].map((first): [string, string] => [
    `Transfer-Encoding twice, ${first} first`,
    request('POST', '/', `Transfer-Encoding: ${first}\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'),
  ]),
  [
    'Transfer-Encoding of another coding, and a length',
    request('POST', '/', 'Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
  ],
  ['an option of Connection after NBSP', get('/', 'Connection: \xa0close\r\n')],
  ['a chunk size that is none', request('POST', '/', 'Transfer-Encoding: chunked\r\n', '0x4\r\nbody\r\n0\r\n\r\n')],
  ['obs-fold', get('/', 'X-A: b\r\n c\r\n')],
  ['bare LF', get().replaceAll('\r\n', '\n')],
  ['bare CR', get('/', 'X-A: b\rc\r\n')],
  ['a blank before the colon', get('/', 'X-A : b\r\n')],
  ['a control byte', get('/', 'X-A: \0\r\n')],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', get('/', 'Host: demo.test\r\n')],
  ['an absolute form of another Host', get('http://other.test/')],
  ['a relative target', get('path')],
  ['a version without its name', 'GET / 1.1\r\nHost: demo.test\r\n\r\n'],
  ['no HTTP at all', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
];

describe('400 and the end, and nothing reaches the instance, for', () => {
  test.each(unreadable)('%s', async (_what, text) => {
    const watch = await edge.watch();
    const named = text.includes('\r\n0x4\r\n');
    client.send(text + get('/smuggled'));
    const response = await client.response();
    expect(response).toMatchObject({ status: 400, fields: { connection: 'close' } });
    expect(response.body).toMatch(/^bad_request: [^\n]*\n$/);
    expect(await client.peerEnd()).toBe('fin');
    expect(client.text).toBe('');
    client.end();
    const of = named ? '' : 'unnamed ';
    await watch.moved({ [`${of}edge 400`]: 1, [`${of}error bad_request`]: 1, [`${of}edge connects`]: 1 });
    expect(instance.requests).toBe(0);
  });
});

test('a bad request on a connection that has an app counts for the app', async () => {
  const watch = await edge.watch();
  client.send(get());
  await client.response();
  client.send('GET\r\n\r\n');
  expect((await client.response()).status).toBe(400);
  client.end();
  await watch.moved({ 'edge 200': 1, 'app 200': 1, 'edge 400': 1, 'error bad_request': 1, 'edge connects': 1 });
});

test.each([
  ['a long field', get('/', `X-A: ${'x'.repeat(5000)}\r\n`)],
  ['a head without an end', `GET / HTTP/1.1\r\nX-A: ${'x'.repeat(5000)}`],
  ['many fields', get('/', 'X-A: b\r\n'.repeat(21))],
])('431 for %s', async (_what, text) => {
  const watch = await edge.watch();
  client.send(text);
  expect(await client.response()).toMatchObject({ status: 431, fields: { connection: 'close' } });
  expect(await client.peerEnd()).toBe('fin');
  client.end();
  await watch.moved({ 'unnamed edge 431': 1, 'unnamed error head_too_large': 1 });
});

test('404 for a host that no app has, and the connection serves on', async () => {
  const watch = await edge.watch();
  client.send(
    request('GET', '/', '', '', 'other.test') + request('POST', '/', 'Content-Length: 4\r\n', 'body', 'x.test'),
  );
  for (let i = 0; i < 2; i++) {
    const response = await client.response();
    expect(response).toMatchObject({ status: 404, body: expect.stringMatching(/^unknown_host: /) });
    expect(response.fields.connection).toBeUndefined();
  }
  client.send(get('/known'));
  expect((await client.response()).body).toBe('/known demo.test');
  client.end();
  await watch.moved({
    'unnamed edge 404': 2,
    'unnamed error unknown_host': 2,
    'edge 200': 1,
    'app 200': 1,
    'edge connects': 1,
  });
});

test('what a stranger names never becomes a label', async () => {
  client.send(request('BREW', '/label', '', '', 'stranger.test')).send('\0\0');
  await client.response();
  const page = JSON.stringify([...(await edge.scrape())]);
  expect(page).not.toMatch(/stranger|BREW|\/label/);
});

test.each(['gzip, chunked', 'GZIP,Chunked', 'gzip , chunked', 'identity, chunked', 'x, gzip, br, chunked'])(
  '501 and the end for a coding that is not served: Transfer-Encoding: %s',
  async (codings) => {
    const watch = await edge.watch();
    client.send(request('POST', '/', `Transfer-Encoding: ${codings}\r\n`, '0\r\n\r\n') + get('/smuggled'));
    const response = await client.response();
    expect(response).toMatchObject({ status: 501, fields: { connection: 'close' } });
    expect(response.body).toMatch(/^coding_not_implemented: [^\n]*\n$/);
    expect(await client.peerEnd()).toBe('fin');
    expect(client.text).toBe('');
    client.end();
    await watch.moved({ 'unnamed edge 501': 1, 'unnamed error coding_not_implemented': 1, 'unnamed edge connects': 1 });
    expect(instance.requests).toBe(0);
  },
);

test.each(['Chunked', 'CHUNKED', ' chunked'])('a coding spelled %j reaches the instance as chunked', async (coding) => {
  client.send(request('POST', '/echo', `Transfer-Encoding: ${coding}\r\n`, '4\r\nbody\r\n0\r\n\r\n'));
  const response = await client.response();
  expect(response.fields['x-coding']).toBe('chunked');
});

test('405 with Allow for CONNECT, and the end: what follows need not be HTTP', async () => {
  const watch = await edge.watch();
  client.send(`CONNECT demo.test:80 HTTP/1.1\r\nHost: demo.test:80\r\n\r\n${get('/tunnelled')}`);
  const response = await client.response();
  expect(response).toMatchObject({ status: 405, body: expect.stringMatching(/^method_not_allowed: /) });
  expect(response.fields).toMatchObject({ allow: expect.stringMatching(/\bGET\b/), connection: 'close' });
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  client.end();
  await watch.moved({ 'edge 405': 1, 'error method_not_allowed': 1, 'edge connects': 1 });
  expect(instance.requests).toBe(0);
});

test('CONNECT to a host that no app has ends the connection too', async () => {
  client.send(`CONNECT other.test:80 HTTP/1.1\r\nHost: other.test:80\r\n\r\n${get('/tunnelled')}`);
  expect(await client.response()).toMatchObject({ status: 404, fields: { connection: 'close' } });
  expect(await client.peerEnd()).toBe('fin');
  expect(client.text).toBe('');
  expect(instance.requests).toBe(0);
});

test.each(['HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2'])('505 for %s', async (version) => {
  const watch = await edge.watch();
  client.send(`GET / ${version}\r\nHost: demo.test\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: 505, fields: { connection: 'close' } });
  client.end();
  await watch.moved({ 'unnamed edge 505': 1, 'unnamed error version_unsupported': 1 });
});

test("force_https goes by Host's port: the mapped one for who came by the mapped one, else the public one", async () => {
  const local = (port: number): number => edge.port(port);
  for (const [host, where] of [
    ['forced.test', 'https://forced.test/'],
    ['forced.test:80', 'https://forced.test/'],
    [`forced.test:${local(80)}`, `https://forced.test:${local(443)}/`],
    ['forced.test:9', 'https://forced.test/'],
    [`forced.test:${local(443)}`, 'https://forced.test/'],
    ['elsewhere.test', 'https://elsewhere.test:8443/'],
    [`elsewhere.test:${local(80)}`, `https://elsewhere.test:${local(8443)}/`],
  ] as const) {
    const client = await rawClient(edge.port());
    client.send(request('GET', '/', '', '', host));
    expect([host, (await client.response()).fields.location]).toEqual([host, where]);
  }
});

test('force_https sends 301 with the same host, path and query', async () => {
  const watch = await edge.watch();
  client.send(request('GET', '/a?b=c', '', '', 'forced.test'));
  expect(await client.response()).toMatchObject({ status: 301, fields: { location: 'https://forced.test/a?b=c' } });
  client.send(request('POST', '/a', 'Content-Length: 4\r\n', 'body', 'elsewhere.test:80'));
  expect(await client.response()).toMatchObject({ status: 301, fields: { location: 'https://elsewhere.test:8443/a' } });
  client.send(request('HEAD', '/', '', '', 'forced.test'));
  expect((await client.response('HEAD')).status).toBe(301);
  client.end();
  await watch.moved({ 'edge 301': 3, 'edge connects': 1 });
});

test('an absolute-form target reaches the instance as path and query', async () => {
  for (const [target, path] of [
    ['http://demo.test/a?b', '/a?b'],
    ['HTTP://demo.test?b', '/?b'],
  ] as const) {
    client.send(get(target));
    expect((await client.response()).body).toBe(`${path} demo.test`);
  }
});

test('hosts match in any case, with a port, and by wildcard', async () => {
  for (const host of ['DEMO.test', 'demo.test:1234', 'a.b.demo.test']) {
    client.send(request('GET', '/', '', '', host));
    expect((await client.response()).body).toBe(`/ ${host}`);
  }
});

test('an error answer is one plain line with its code and the id of the request; HEAD gets its head alone', async () => {
  client.send(request('GET', '/', '', '', 'other.test') + request('HEAD', '/', '', '', 'other.test'));
  const response = await client.response();
  const id = response.fields['fly-request-id']!;
  expect(id).toMatch(requestIdPattern);
  expect(response.body).toBe(`unknown_host: ${errors.unknownHost.message} (${id})\n`);
  expect(response.fields).toMatchObject({ 'content-type': 'text/plain', server: 'fly-edge', via: '1.1 fly-edge' });
  expect(Date.parse(response.fields.date!)).toBeGreaterThan(Date.now() - 60_000);
  const head = await client.response('HEAD');
  expect(head.status).toBe(404);
  client.send(get());
  expect((await client.response()).status).toBe(200);
});

test('every error has its log line with code, status, app and the id that the client saw', async () => {
  client.send(request('CONNECT', 'demo.test:80', '', '', 'demo.test:80'));
  const id = (await client.response()).fields['fly-request-id'];
  await expect.poll(() => edge.log.find(({ request }) => request === id)).toBeDefined();
  expect(edge.log.find(({ request }) => request === id)).toMatchObject({
    level: 'warn',
    msg: 'request failed',
    code: 'method_not_allowed',
    source: 'client',
    status: 405,
    app: 'demo',
  });
});

test('lines of one kind of error are bounded in number, and those left out are counted', async () => {
  const watch = await edge.watch();
  const from = edge.log.length;
  const times = 400;
  client.send(request('GET', '/', '', '', 'other.test').repeat(times));
  for (let i = 0; i < times; i++) expect((await client.response()).status).toBe(404);
  client.end();
  // Each is counted, and written or counted as left out.
  await watch.moved({ 'unnamed edge 404': times, 'unnamed error unknown_host': times, 'unnamed edge connects': 1 });
  const lines = edge.log.slice(from).filter(({ code }) => code === 'unknown_host');
  expect(lines.length).toBeLessThan(times);
  expect(lines.at(-1)).toMatchObject({ msg: 'lines about failed requests were left out', leftOut: expect.any(Number) });
});
