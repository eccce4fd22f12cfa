import { beforeEach, describe, expect, test } from 'vitest';
import { type Edge, service } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, post, request } from '../helpers/messages.ts';
import { type RawResponse, type RawSocket, rawClient } from '../helpers/raw.ts';

/** How an instance says where its answer ends: read by the RFC, written anew, or refused whole. */

let edge: Edge;
let instance: RawInstance;
let client: RawSocket;

edgeWithRawInstance(
  (instance) => ({ apps: [{ name: 'demo', fly: service(), instances: [{ id: 'aa', port: instance.port }] }] }),
  (made) => ({ edge, instance } = made),
);
beforeEach(async () => {
  client = await rawClient(edge.port());
});

/** What a client gets when the instance answers with these bytes. */
async function answered(bytes: string, method = 'GET'): Promise<RawResponse> {
  client.send(request(method));
  const peer = await instance.accept();
  await peer.head();
  peer.send(bytes);
  return client.response(method);
}

const lengths = ['4', '004', ' 4', '4 ', '\t4', '4\t', ' \t 4 \t ', '4, 4', '4 ,\t4', '04,4', '4\r\nContent-Length: 4'];

describe("an instance's Content-Length is read by RFC 9110 8.6 and written anew as plain digits", () => {
  test.each(lengths)('%j', async (length) => {
    const response = await answered(
      `HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length:${length}\r\nX-C: d\r\n\r\nbodyHTTP/1.1 200 OK\r\n`,
    );
    expect(response.body).toBe('body');
    expect(response.head.match(/content-length:.*/gi)).toEqual([
      expect.stringMatching(length === '4' ? /^Content-Length:4$/ : /^Content-Length: 4$/),
    ]);
    expect(response.fields).toMatchObject({ 'x-a': 'b', 'x-c': 'd' });
  });

  test('in the answer to HEAD, too', async () => {
    const response = await answered('HTTP/1.1 200 OK\r\nContent-Length:\t007, 7\r\n\r\n', 'HEAD');
    expect(response.head).toMatch(/\r\nContent-Length: 7\r\n/);
  });
});

const refused = [
  ...['', '+4', '-4', '4, 5', '4,', ',4', '4 4', '0x4', '4.0', '\xa04', '4\xa0', '9007199254740992'].map(
    (length) => `Content-Length: ${length}`,
  ),
  'Content-Length: 4\r\nContent-Length: 5',
  ...['gzip', 'identity', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', '', '\xa0chunked', 'chunked\xa0'].map(
    (coding) => `Transfer-Encoding: ${coding}`,
  ),
  'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 4',
  'Connection: \xa0close\r\nContent-Length: 4',
];

test.each(refused)('502, and nothing of it passes, for %j', async (fields) => {
  const watch = await edge.watch();
  const response = await answered(`HTTP/1.1 200 OK\r\nX-Secret: 1\r\n${fields}\r\n\r\n4\r\nbody\r\n0\r\n\r\n`);
  expect(response).toMatchObject({ status: 502, body: expect.stringMatching(/^instance_bad_response: /) });
  expect(response.fields['x-secret']).toBeUndefined();
  client.end();
  await watch.moved({ 'edge 502': 1, 'error instance_bad_response': 1 });
});

test('an answer in HTTP/1.0 with a transfer coding is 502', async () => {
  const response = await answered('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n');
  expect(response.status).toBe(502);
});

test('a coding in another spelling is written anew', async () => {
  const response = await answered('HTTP/1.1 200 OK\r\nTransfer-Encoding:  Chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n');
  expect(response).toMatchObject({ status: 200, body: '4\r\nbody\r\n0\r\n\r\n' });
  expect(response.head).toMatch(/\r\nTransfer-Encoding: chunked\r\n/);
  expect(response.head.match(/transfer-encoding/gi)).toHaveLength(1);
});

describe('an empty line between an interim answer and the next status line, as aiohttp sends', () => {
  test.each([
    ['in one piece', ['HTTP/1.1 100 Continue\r\n\r\n\r\n', answer()]],
    ['with the status line', ['HTTP/1.1 100 Continue\r\n\r\n', `\r\n${answer()}`]],
    ['in two pieces', ['HTTP/1.1 100 Continue\r\n\r\n\r', `\n${answer()}`]],
    ['alone', ['HTTP/1.1 100 Continue\r\n\r\n', '\r\n', answer()]],
    ['after each', ['HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n', `\r\n${answer()}`]],
  ])('is forgiven %s, and the connection serves on', async (_how, pieces) => {
    client.send(post('body'));
    const peer = await instance.accept();
    await peer.through('body');
    for (const piece of pieces) {
      peer.send(piece);
      await new Promise(setImmediate);
    }
    let response = await client.response();
    while (response.status < 200) response = await client.response();
    expect(response).toMatchObject({ status: 200, body: 'ok' });
    client.send(get());
    await peer.head();
    peer.send(answer('again'));
    expect((await client.response()).body).toBe('again');
  });

  test.each([
    ['no interim answer', answer().replace(/^/, '\r\n')],
    ['an interim answer, but more than one', `HTTP/1.1 100 Continue\r\n\r\n\r\n\r\n${answer()}`],
    ['an interim answer, but without its LF', `HTTP/1.1 100 Continue\r\n\r\n\r${answer()}`],
  ])('is refused after %s', async (_what, bytes) => {
    let response = await answered(bytes);
    while (response.status < 200) response = await client.response();
    expect(response.status).toBe(502);
  });
});
