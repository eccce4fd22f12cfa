import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request, requestIdPattern } from '../helpers/messages.ts';
import { fieldsOf, type RawSocket, rawClient } from '../helpers/raw.ts';

/** The two edges differ in whom they trust: one trusts nobody, the other whoever comes from loopback. */
let strict: Edge;
let trusting: Edge;
let instance: RawInstance;

const options = `http_options = { response = { headers = { X-Set = "1", X-Twice = ["a", "b"], X-Gone = false } } }`;
const pristine = `http_options = { response = { pristine = true } }`;

beforeAll(async () => {
  instance = await RawInstance.start();
  const instances = [{ id: 'aa', port: instance.port }];
  const apps = [
    { name: 'demo', instances },
    { name: 'changed', fly: service({ more: options }), instances },
    { name: 'pristine', fly: service({ more: pristine }), instances },
  ];
  [strict, trusting] = await Promise.all([Edge.start({ apps }), Edge.start({ apps, trusted: ['127.0.0.0/8'] })]);
});
afterAll(async () => {
  await Promise.all([strict.stop(), trusting.stop()]);
  await instance.stop();
});
beforeEach(() => instance.forget());

interface Passed {
  request: string;
  response: string;
}

/** What the instance got and what the client got, for a request and an answer. */
async function pass(edge: Edge, sent: string, answered = answer()): Promise<Passed> {
  const client: RawSocket = await rawClient(edge.port());
  client.send(sent);
  const peer = await instance.accept();
  const request = await peer.head();
  peer.send(answered);
  return { request, response: (await client.response()).head };
}

const own = {
  'fly-client-ip': '127.0.0.1',
  'fly-forwarded-port': '80',
  'fly-region': 'lab',
  'fly-request-id': expect.stringMatching(new RegExp(`^${requestIdPattern.source}$`)),
  'x-forwarded-for': '127.0.0.1',
  'x-forwarded-proto': 'http',
  'x-forwarded-port': '80',
  'x-forwarded-ssl': 'off',
  'x-forwarded-host': 'demo.test',
  'x-request-start': expect.stringMatching(/^t=\d{16}$/),
  via: '1.1 fly-edge',
};

const claims =
  'Fly-Client-IP: 9.9.9.9\r\nX-Forwarded-For: 9.9.9.9, 8.8.8.8\r\nX-Forwarded-Proto: https\r\n' +
  'X-Forwarded-Port: 444\r\nX-Forwarded-Ssl: on\r\n';

describe('to the instance', () => {
  test("go the client's fields in their order and bytes, then ours, each once", async () => {
    const sent = 'X-B:  two  \r\nx-a: one\r\nX-B: three\r\nAccept-Encoding: gzip\r\nVia: 1.0 other\r\n';
    const { request } = await pass(strict, get('/p?q', sent));
    expect(request.startsWith(`GET /p?q HTTP/1.1\r\nHost: demo.test\r\n${sent}`)).toBe(true);
    expect(fieldsOf(request)).toEqual({
      host: 'demo.test',
      'x-b': 'two, three',
      'x-a': 'one',
      'accept-encoding': 'gzip',
      ...own,
      via: '1.0 other, 1.1 fly-edge',
    });
  });

  test('X-Request-Start is when the request came, in microseconds', async () => {
    const before = Date.now();
    const { request } = await pass(strict, get());
    const micros = Number(fieldsOf(request)['x-request-start']!.slice(2));
    // The clocks are the same; a second is for whatever the machine does meanwhile.
    expect(micros / 1000).toBeGreaterThan(before - 1000);
    expect(micros / 1000).toBeLessThan(Date.now() + 1000);
  });

  test.each(['GET', 'POST'])('hop-by-hop fields do not go (%s)', async (method) => {
    const fields =
      'Connection: keep-alive, X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nKeep-Alive: timeout=5\r\n' +
      'Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\nX-End: 3\r\n';
    const { request: got } = await pass(strict, request(method, '/', fields));
    // What TE says is said to the instance anew, for its own hop.
    expect(fieldsOf(got)).toEqual({ host: 'demo.test', 'x-end': '3', te: 'trailers', connection: 'TE', ...own });
  });

  test("a stranger's claims and all of its Fly-* fields do not go", async () => {
    const { request } = await pass(
      strict,
      get('/', `${claims}Fly-Region: nrt\r\nfly-anything: x\r\nX-Request-Start: t=1\r\n`),
    );
    expect(fieldsOf(request)).toEqual({ host: 'demo.test', ...own });
  });

  test('a trusted peer is believed, and X-Forwarded-For goes on with it', async () => {
    const { request } = await pass(trusting, get('/', `${claims}Fly-Region: nrt\r\nFly-Request-Id: mine\r\n`));
    expect(fieldsOf(request)).toEqual({
      host: 'demo.test',
      ...own,
      'fly-client-ip': '8.8.8.8',
      'x-forwarded-for': '9.9.9.9, 8.8.8.8, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '444',
      'x-forwarded-ssl': 'on',
    });
  });

  test('a trusted peer that says less is completed', async () => {
    const { request } = await pass(trusting, get('/', 'X-Forwarded-For: 7.7.7.7\r\n'));
    expect(fieldsOf(request)).toMatchObject({
      ...own,
      'fly-client-ip': '7.7.7.7',
      'x-forwarded-for': '7.7.7.7, 127.0.0.1',
    });
  });

  test('Connection may not name what frames the message', async () => {
    const client = await rawClient(strict.port());
    client.send(request('POST', '/', 'Connection: Content-Length\r\nContent-Length: 4\r\n', 'body'));
    expect((await client.response()).status).toBe(400);
  });
});

describe('to the client', () => {
  test("go the instance's fields in their order and bytes, then ours; Server is ours", async () => {
    const fields = 'X-B:  two  \r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nServer: theirs\r\nDate: now\r\n';
    const { response } = await pass(strict, get(), answer('ok', fields, '200 Quite OK'));
    expect(response).toMatch(/^HTTP\/1\.1 200 Quite OK\r\nX-B: {2}two {2}\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n/);
    expect(fieldsOf(response)).toEqual({
      'x-b': 'two',
      'set-cookie': 'a=1, b=2',
      date: 'now',
      'content-length': '2',
      via: '1.1 fly-edge',
      server: 'fly-edge',
      'fly-request-id': expect.stringMatching(requestIdPattern),
    });
  });

  test('the id is the one that the instance got', async () => {
    const { request, response } = await pass(strict, get(), answer('ok', 'Fly-Request-Id: forged\r\n'));
    expect(fieldsOf(response)['fly-request-id']).toBe(fieldsOf(request)['fly-request-id']);
  });

  test('hop-by-hop fields do not go', async () => {
    const fields =
      'Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n';
    const { response } = await pass(strict, get(), answer('ok', `${fields}X-End: 1\r\n`));
    expect(Object.keys(fieldsOf(response))).toEqual([
      'x-end',
      'content-length',
      'date',
      'via',
      'server',
      'fly-request-id',
    ]);
  });

  test('response.headers sets, repeats and removes', async () => {
    const fields = 'X-Set: old\r\nx-set: older\r\nX-Gone: secret\r\nX-Stays: 1\r\n';
    const sent = request('GET', '/', '', '', 'changed.test');
    const { response } = await pass(strict, sent, answer('ok', fields));
    expect(fieldsOf(response)).toMatchObject({ 'x-set': '1', 'x-twice': 'a, b', 'x-stays': '1' });
    expect(response).not.toMatch(/x-gone/i);
  });

  test('response.pristine leaves the answer as it came', async () => {
    const sent = request('GET', '/', '', '', 'pristine.test');
    const text = answer('ok', 'Server: theirs\r\nVia: 1.1 theirs\r\n');
    const { response } = await pass(strict, sent, text);
    expect(`${response}\r\n\r\nok`).toBe(text);
  });
});
