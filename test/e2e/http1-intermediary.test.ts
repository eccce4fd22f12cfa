import { beforeEach, describe, expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, request, requestIdPattern } from '../helpers/messages.ts';
import { type RawResponse, type RawSocket, rawClient } from '../helpers/raw.ts';

/** What RFC 9110 asks of a gateway between two others; docs/conformance.md has the whole list. */

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;
let peer: RawSocket;

edgeWithRawInstance(
  (instance) => {
    const instances = [{ id: 'aa', port: instance.port }];
    const undated = service({ more: 'http_options = { response = { headers = { Date = false } } }' });
    const pristine = service({ more: 'http_options = { response = { pristine = true } }' });
    return {
      apps: [
        { name: 'demo', fly: service(), instances },
        { name: 'undated', fly: undated, instances },
        { name: 'pristine', fly: pristine, instances },
      ],
    };
  },
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

/** The head that reaches the instance. */
async function forwarded(text: string): Promise<string> {
  client.send(text);
  peer = await instance.accept();
  return peer.head();
}

/** What a client gets when the instance answers with these bytes. */
async function answered(bytes: string, text = get(), method = 'GET'): Promise<RawResponse> {
  await forwarded(text);
  peer.send(bytes);
  return client.response(method);
}

describe('answers without a body say nothing of one (RFC 9110 8.6, RFC 9112 6.1)', () => {
  test.each([
    ['204 with Transfer-Encoding', '204 No Content', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n'],
    ['204 with Content-Length', '204 No Content', 'Content-Length: 0\r\n', ''],
    ['204 with a Content-Length that is not 0', '204 No Content', 'Content-Length: 5\r\n', ''],
    ['304 with Transfer-Encoding', '304 Not Modified', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n'],
    ['304 with a coding in another spelling', '304 Not Modified', 'Transfer-Encoding: Chunked\r\n', ''],
    ['204 with a length in another spelling', '204 No Content', 'Content-Length: 00\r\n', ''],
  ])('%s', async (_what, status, field, body) => {
    const response = await answered(`HTTP/1.1 ${status}\r\nETag: "a"\r\n${field}X-B: c\r\n\r\n${body}`);
    expect(response.head).toMatch(`HTTP/1.1 ${status}\r\n`);
    expect(response.head).not.toMatch(/content-length|transfer-encoding/i);
    expect(response.fields).toMatchObject({ etag: '"a"', 'x-b': 'c' });
    client.send(get('/next'));
    // What followed a head without a body belongs to no answer: that connection is not used again.
    if (body !== '') peer = await instance.accept();
    await peer.head();
    peer.send(answer('next'));
    expect(await client.response()).toMatchObject({ status: 200, body: 'next' });
  });

  test('304 and the answer to HEAD keep the length that the content would have', async () => {
    expect((await answered('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n')).fields['content-length']).toBe(
      '5',
    );
    client.send(request('HEAD'));
    await peer.head();
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n');
    expect((await client.response('HEAD')).fields['content-length']).toBe('7');
  });
});

test('an interim answer passes without fields of this hop, a length, or an id that is not ours', async () => {
  const interim = await answered(
    'HTTP/1.1 103 Early Hints\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n' +
      'Proxy-Connection: close\r\nContent-Length: 0\r\nFly-Request-Id: forged\r\nLink: </a.css>; rel=preload\r\n\r\n',
  );
  expect(interim.head).toBe('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload');
  peer.send(answer('page', 'Fly-Request-Id: forged\r\n'));
  const response = await client.response();
  expect(response.body).toBe('page');
  expect(response.fields['fly-request-id']).toMatch(requestIdPattern);
  expect(response.fields.connection).toBeUndefined();
});

describe('Date', () => {
  test('is added where the instance sends none (RFC 9110 6.6.1)', async () => {
    const response = await answered(answer());
    expect(Math.abs(Date.parse(response.fields.date!) - Date.now())).toBeLessThan(60_000);
    expect(response.head.match(/\r\ndate:/gi)).toHaveLength(1);
  });

  test("is the instance's own otherwise", async () => {
    const date = 'Tue, 15 Nov 1994 08:12:31 GMT';
    expect((await answered(answer('ok', `DATE: ${date}\r\n`))).fields.date).toBe(date);
  });

  test("is added where Connection takes the instance's own away", async () => {
    const response = await answered(answer('ok', 'Connection: X-Hop, date\r\nDate: never\r\n'));
    expect(Math.abs(Date.parse(response.fields.date!) - Date.now())).toBeLessThan(60_000);
    expect(response.head.match(/\r\ndate:/gi)).toHaveLength(1);
  });

  test.each(['undated', 'pristine'])('is not added for an app that does without: %s', async (app) => {
    const response = await answered(answer(), request('GET', '/', '', '', `${app}.test`));
    expect(response.fields.date).toBeUndefined();
  });
});

describe('Via says which version the message came in (RFC 9110 7.6.3)', () => {
  test('to the instance', async () => {
    expect(await forwarded(get('/', 'Via: 1.0 front\r\n'))).toMatch(
      /\r\nVia: 1.0 front\r\n(?:.*\r\n)*Via: 1\.1 fly-edge\r\n/,
    );
    peer.send(answer());
    await client.response();
    client.send('GET / HTTP/1.0\r\nHost: demo.test\r\n\r\n');
    expect(await peer.head()).toMatch(/\r\nVia: 1\.0 fly-edge\r\n/);
  });

  test('to the client', async () => {
    expect((await answered(answer())).fields.via).toBe('1.1 fly-edge');
    client.send(get());
    await peer.head();
    peer.send('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await client.response()).fields.via).toBe('1.0 fly-edge');
  });
});

describe('Max-Forwards (RFC 9110 7.6.2)', () => {
  test.each([
    ['OPTIONS', '5', '4'],
    ['TRACE', '1', '0'],
    ['OPTIONS', '007', '6'],
    ['GET', '5', '5'],
    ['OPTIONS', 'many', 'many'],
  ])('%s with %s reaches the instance with %s', async (method, sent, got) => {
    const head = await forwarded(request(method, '/', `X-A: b\r\nMax-Forwards: ${sent}\r\nX-C: d\r\n`));
    expect(head.match(/max-forwards:.*/gi)).toEqual([`Max-Forwards: ${got}`]);
    expect(head).toMatch(/\r\nX-A: b\r\n(?:.*\r\n)*X-C: d\r\n/);
    peer.send(answer());
    expect((await client.response()).status).toBe(200);
  });

  test('OPTIONS with 0 is answered by the edge, and the connection serves on', async () => {
    const watch = await edge.watch();
    for (const target of ['/', '*']) {
      client.send(request('OPTIONS', target, 'Max-Forwards: 0\r\n'));
      const response = await client.response();
      expect(response).toMatchObject({ status: 200, body: '', fields: { allow: expect.stringMatching(/\bGET\b/) } });
    }
    expect(instance.open).toBe(0);
    client.end();
    await watch.moved({ 'edge 200': 2, 'edge connects': 1 });
  });

  test('is ours in no other spelling: what the edge counts down cannot be told twice', async () => {
    const head = await forwarded(request('OPTIONS', '/', 'Max_Forwards: 9\r\nMax-Forwards: 3\r\nmax.forwards: 8\r\n'));
    expect(head.match(/max.forwards:.*/gi)).toEqual(['Max-Forwards: 2']);
    peer.send(answer());
    await client.response();
  });

  test('TRACE with 0 is 405: the edge itself reflects nothing', async () => {
    client.send(request('TRACE', '/', 'Max-Forwards: 0\r\nCookie: secret\r\n'));
    const response = await client.response();
    expect(response.status).toBe(405);
    expect(response.head + response.body).not.toMatch('secret');
    expect(response.fields.allow).not.toMatch('TRACE');
    expect(instance.open).toBe(0);
  });
});

test('426 says which protocol is wanted (RFC 9110 15.5.22)', async () => {
  const response = await answered(
    answer('no', 'Connection: Upgrade, X-Hop\r\nUpgrade: TLS/1.3, websocket\r\nX-Hop: 1\r\n', '426 Upgrade Required'),
  );
  expect(response.fields).toMatchObject({ upgrade: 'TLS/1.3, websocket', connection: 'Upgrade' });
  expect(response.fields['x-hop']).toBeUndefined();
});

test.each([
  ['426 Upgrade Required', 'foo, bar'],
  ['101 Switching Protocols', 'websocket, WebSocket'],
])('%s keeps all lines of Upgrade', async (status, all) => {
  const fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  await forwarded(get('/', status.startsWith('101') ? fields : ''));
  const lines = all.split(', ').map((protocol) => `Upgrade: ${protocol}\r\n`);
  peer.send(`HTTP/1.1 ${status}\r\nConnection: Upgrade\r\n${lines.join('')}\r\n`);
  expect((await client.head()).match(/upgrade: .*/gi)).toEqual(['Connection: Upgrade', `Upgrade: ${all}`].slice(1));
});

describe('a status line has the space before its reason, which may be empty (RFC 9112 4)', () => {
  test.each(['HTTP/1.1 200', 'HTTP/1.1 200 ', 'HTTP/1.0 200', 'HTTP/1.0 200 '])('%j', async (line) => {
    const { head, body } = await answered(`${line}\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok`);
    expect(head).toMatch(/^HTTP\/1\.1 200 \r\nX-A: b\r\n/);
    expect(body).toBe('ok');
  });

  test('in an interim answer, and where there are no fields', async () => {
    expect((await answered('HTTP/1.1 102\r\n\r\nHTTP/1.1 103\r\nX-A: b\r\n\r\n')).head).toBe('HTTP/1.1 102 ');
    expect((await client.response()).head).toBe('HTTP/1.1 103 \r\nX-A: b');
    peer.send('HTTP/1.1 204\r\n\r\n');
    expect((await client.response()).head).toMatch(/^HTTP\/1\.1 204 \r\nDate: /);
  });
});

test('the expectation of an HTTP/1.0 client goes no further (RFC 9110 10.1.1)', async () => {
  const head = await forwarded(
    'POST / HTTP/1.0\r\nHost: demo.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody',
  );
  expect(head).not.toMatch(/expect/i);
  peer.send(answer());
  expect((await client.response()).status).toBe(200);
});

test('fields that Connection names go no further, in either direction (RFC 9110 7.6.1)', async () => {
  const head = await forwarded(get('/', 'Connection: X-Hop, x-other\r\nX-HOP: 1\r\nX-Other: 2\r\nX-End: 3\r\n'));
  expect(head).not.toMatch(/x-hop|x-other/i);
  expect(head).toMatch('X-End: 3\r\n');
  peer.send(answer('ok', 'Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 3\r\n'));
  const { fields } = await client.response();
  expect(fields).toMatchObject({ 'x-end': '3' });
  expect(fields).not.toHaveProperty('x-hop');
});

test('205 and unknown statuses are framed as any other (RFC 9110 15)', async () => {
  for (const status of ['205 Reset Content', '299 Odd', '599 Odd']) {
    const response = await answered(answer('', '', status));
    expect(response.head).toMatch(`HTTP/1.1 ${status}`);
    await instance.forget();
  }
});
