import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { RawInstance } from '../helpers/instances.ts';
import { answer, get, request } from '../helpers/messages.ts';
import { fieldsOf, rawClient } from '../helpers/raw.ts';

/** The proxy in front is 127.0.0.1, and 10/8 are others of its owner's. `told` believes Fly-Client-IP, too. */
let strict: Edge;
let trusting: Edge;
let told: Edge;
let balanced: Edge;
let instance: RawInstance;
const trusted = ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'];

beforeAll(async () => {
  instance = await RawInstance.start();
  const instances = [{ id: 'aa', port: instance.port }];
  const asks = service({ more: 'http_options = { forwarded = true }' });
  const apps = [
    { name: 'demo', instances },
    { name: 'asks', fly: asks, instances },
    { name: 'secure', fly: service({ more: 'force_https = true' }), instances },
    { name: 'raw', fly: service({ port: 7000, handlers: ['proxy_proto'], type: 'connections' }), instances },
  ];
  const ports = [80, 7000];
  [strict, trusting, told, balanced] = await Promise.all([
    Edge.start({ apps, ports }),
    Edge.start({ apps, ports, trusted }),
    Edge.start({ apps, ports, trusted, flyClientIp: true }),
    Edge.start({ apps, ports, trusted, proxyProtocol: 'required' }),
  ]);
});
afterAll(async () => {
  await Promise.all([strict.stop(), trusting.stop(), told.stop(), balanced.stop()]);
  await instance.stop();
});
beforeEach(() => instance.forget());

/** The fields that the instance gets. `before`: a PROXY header. */
async function pass(edge: Edge, fields: string, before = '', host = 'demo.test'): Promise<Record<string, string>> {
  await instance.forget();
  const client = await rawClient(edge.port());
  client.send(before + request('GET', '/', fields, '', host));
  const peer = await instance.accept();
  const head = await peer.head();
  peer.send(answer());
  await client.response();
  return fieldsOf(head);
}

const claims = [
  'Fly-Client-IP: 6.6.6.6',
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Port: 444',
  'X-Forwarded-Ssl: on',
  'X-Forwarded-Host: evil.test',
  'X-Forwarded-Prefix: /evil',
  'X-Forwarded-Server: evil',
  'X-Forwarded-Scheme: https',
  'X-Forwarded-: evil',
  'Forwarded: for=6.6.6.6',
  'X-Real-IP: 6.6.6.6',
  'X-Request-Start: t=6',
];

/** Nothing of `claims` in what the instance got. */
function expectUnbelieved(fields: Record<string, string>, client: string): void {
  expect(fields).toMatchObject({
    'fly-client-ip': client,
    'x-forwarded-for': client,
    'x-forwarded-proto': 'http',
    'x-forwarded-port': '80',
    'x-forwarded-ssl': 'off',
    'x-forwarded-host': 'demo.test',
  });
  // What is random or the time of day may look like anything.
  const { 'fly-request-id': _id, 'x-request-start': startedAt, ...fixed } = fields;
  expect(startedAt).not.toBe('t=6');
  expect(Object.values(fixed).join()).not.toMatch(/6\.6\.6\.6|evil|444|t=6$/);
  expect(
    Object.keys(fields).filter((name) => /^x-forwarded-(prefix|server|scheme)?$|^forwarded$|real/.test(name)),
  ).toEqual([]);
}

describe('a stranger', () => {
  test('claims nothing: every X-Forwarded-*, Forwarded and X-Real-IP goes', async () => {
    expectUnbelieved(await pass(strict, claims.map((line) => `${line}\r\n`).join('')), '127.0.0.1');
  });

  test.each(['_', '.', '~', '!', '*', "'", '|'])(
    'claims nothing in names with %j for the hyphen either',
    async (mark) => {
      const spelled = claims.map((line) => line.replace(/^[^:]*/, (name) => name.replaceAll('-', mark)));
      const fields = await pass(
        strict,
        [...spelled, 'Fly_Region: evil', `X${mark}Own: mine`].map((line) => `${line}\r\n`).join(''),
      );
      expectUnbelieved(
        Object.fromEntries(Object.entries(fields).filter(([name]) => !/^(via|host|user-agent|x.own)$/.test(name))),
        '127.0.0.1',
      );
      expect(Object.keys(fields).filter((name) => /^(fly|x).*[^a-z0-9-]/.test(name))).toEqual([
        `x${mark}own`.toLowerCase(),
      ]);
      expect(fields[`x${mark}own`]).toBe('mine');
    },
  );

  test('names by Connection what goes, in any spelling', async () => {
    const fields = await pass(strict, 'Connection: X-Hop, x_two\r\nX_Hop: 1\r\nx.hop: 2\r\nX-Two: 3\r\nX-Stays: 4\r\n');
    expect(Object.keys(fields).filter((name) => /hop|two|stays/.test(name))).toEqual(['x-stays']);
  });

  test.each(['Keep_Alive', 'Proxy.Connection', 'HTTP2_Settings'])('%s is dropped', async (name) => {
    expect(Object.keys(await pass(strict, `${name}: x\r\n`))).not.toContain(name.toLowerCase());
  });
});

test.each([
  'Content_Length: 5',
  'content.length: 5',
  'CONTENT~LENGTH: 5',
  'Transfer_Encoding: chunked',
  "transfer'encoding: chunked",
  'Connection: Content_Length',
  'Connection: transfer.encoding',
])('%s is refused', async (line) => {
  const client = await rawClient(strict.port());
  client.send(request('POST', '/', `${line}\r\nContent-Length: 5\r\n`, 'hello'));
  expect(await client.response()).toMatchObject({ status: 400, fields: { connection: 'close' } });
});

test('an answer keeps no field that frames it, or is ours, in another spelling', async () => {
  const client = await rawClient(strict.port());
  client.send(get());
  const peer = await instance.accept();
  await peer.head();
  peer.send(
    answer(
      'ok',
      'Content_Length: 9\r\nTransfer.Encoding: chunked\r\nKeep_Alive: x\r\nFly_Request_Id: forged\r\nX_Own: 1\r\n',
    ),
  );
  const { fields } = await client.response();
  expect(Object.keys(fields).filter((name) => /[_.]/.test(name))).toEqual(['x_own']);
});

describe('after a PROXY header', () => {
  test('the client that it names is believed no more than any', async () => {
    const fields = claims.map((line) => `${line}\r\n`).join('');
    expectUnbelieved(await pass(balanced, fields, 'PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n'), '203.0.113.9');
  });

  test('a trusted proxy that it names is believed', async () => {
    const fields = await pass(
      balanced,
      'X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n',
      'PROXY TCP4 10.1.2.3 127.0.0.1 4711 80\r\n',
    );
    expect(fields).toMatchObject({
      'fly-client-ip': '198.51.100.7',
      'x-forwarded-for': '6.6.6.6, 198.51.100.7, 10.1.2.3',
    });
  });

  test('UNKNOWN leaves the proxy itself speaking', async () => {
    expect(await pass(balanced, 'X-Forwarded-For: 198.51.100.7\r\n', 'PROXY UNKNOWN\r\n')).toMatchObject({
      'fly-client-ip': '198.51.100.7',
      'x-forwarded-for': '198.51.100.7, 127.0.0.1',
    });
  });

  test.each([
    ['PROXY TCP6 ::FFFF:203.0.113.9 ::1 4711 80\r\n', '203.0.113.9'],
    ['PROXY TCP6 ::ffff:cb00:7109 ::1 4711 80\r\n', '203.0.113.9'],
    ['PROXY TCP6 2001:DB8:0:0::0:1 ::1 4711 80\r\n', '2001:db8::1'],
  ])('%j has one normal form', async (header, address) => {
    expect(await pass(balanced, '', header)).toMatchObject({ 'fly-client-ip': address, 'x-forwarded-for': address });
  });

  test('an IPv4-mapped trusted proxy is the IPv4 one', async () => {
    const fields = await pass(
      balanced,
      'X-Forwarded-For: 198.51.100.7\r\n',
      'PROXY TCP6 ::ffff:10.1.2.3 ::1 4711 80\r\n',
    );
    expect(fields['fly-client-ip']).toBe('198.51.100.7');
  });

  test('an instance that asks for a PROXY header is told the named client', async () => {
    const client = await rawClient(balanced.port(7000));
    client.send('PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\nhello');
    const peer = await instance.accept();
    expect(await peer.through('hello')).toBe('PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\nhello');
  });
});

describe('a trusted proxy', () => {
  // What it sends, who is the client, and what the instance is told besides the proxy's own address.
  test.each([
    ['6.6.6.6, 198.51.100.7', '198.51.100.7', '6.6.6.6, 198.51.100.7, '],
    ['6.6.6.6, 198.51.100.7, 10.0.0.1, 127.0.0.9', '198.51.100.7', '6.6.6.6, 198.51.100.7, 10.0.0.1, 127.0.0.9, '],
    ['10.0.0.3, 10.0.0.2', '10.0.0.3', '10.0.0.3, 10.0.0.2, '],
    ['198.51.100.7:4711', '198.51.100.7', '198.51.100.7:4711, '],
    ['[2001:DB8::7]:443, 10.0.0.1:80', '2001:db8::7', '[2001:DB8::7]:443, 10.0.0.1:80, '],
    ['[2001:db8::7]', '2001:db8::7', '[2001:db8::7], '],
    ['2001:db8::7,fd00::1', '2001:db8::7', '2001:db8::7, fd00::1, '],
    ['::ffff:198.51.100.7', '198.51.100.7', '::ffff:198.51.100.7, '],
    ['6.6.6.6, ::ffff:10.0.0.1', '6.6.6.6', '6.6.6.6, ::ffff:10.0.0.1, '],
    ['6.6.6.6, unknown, 10.0.0.2', '10.0.0.2', '10.0.0.2, '],
    ['6.6.6.6, 198.51.100.7:99999', '127.0.0.1', ''],
    ['6.6.6.6, 198.51.100.007', '127.0.0.1', ''],
    ['6.6.6.6, [198.51.100.7]', '127.0.0.1', ''],
    ['6.6.6.6, fe80::1%eth0', '127.0.0.1', ''],
    ['6.6.6.6, \xa0198.51.100.7', '127.0.0.1', ''],
    ['nobody', '127.0.0.1', ''],
    ['6.6.6.6, ,198.51.100.7 ,\t', '198.51.100.7', '6.6.6.6, 198.51.100.7, '],
    ['', '127.0.0.1', ''],
  ])('X-Forwarded-For: %s is read from the right', async (list, client, before) => {
    expect(await pass(trusting, `X-Forwarded-For: ${list}\r\n`)).toMatchObject({
      'fly-client-ip': client,
      'x-forwarded-for': `${before}127.0.0.1`,
    });
  });

  test('lines of X-Forwarded-For are one list', async () => {
    const fields = await pass(trusting, 'X-Forwarded-For: 6.6.6.6\r\nX-A: 1\r\nx-forwarded-for: 198.51.100.7\r\n');
    expect(fields).toMatchObject({
      'fly-client-ip': '198.51.100.7',
      'x-forwarded-for': '6.6.6.6, 198.51.100.7, 127.0.0.1',
    });
  });

  test('of a list the last member counts', async () => {
    const lines = ['Proto: http, HTTPS', 'Port: 1, 444', 'Host: evil.test, Shop.test:444', 'Ssl: off,on'];
    expect(await pass(trusting, lines.map((line) => `X-Forwarded-${line}\r\n`).join(''))).toMatchObject({
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '444',
      'x-forwarded-host': 'Shop.test:444',
      'x-forwarded-ssl': 'on',
    });
  });

  test.each(['https, ftp', 'javascript', 'https;', 'https\xa0', ''])(
    'X-Forwarded-Proto: %s is dropped',
    async (proto) => {
      expect(await pass(trusting, `X-Forwarded-Proto: ${proto}\r\n`)).toMatchObject({
        'x-forwarded-proto': 'http',
        'x-forwarded-ssl': 'off',
      });
    },
  );

  test.each(['0', '65536', '0x50', '-1', '80a', '443, '])('X-Forwarded-Port: %s', async (port) => {
    const fields = await pass(trusting, `X-Forwarded-Port: ${port}\r\n`);
    expect(fields['x-forwarded-port']).toBe(port === '443, ' ? '443' : '80');
  });

  test.each(['a b', 'evil.test/path', 'user@evil.test', 'evil.test:x', '"evil"'])(
    'X-Forwarded-Host: %s is dropped',
    async (host) => {
      expect((await pass(trusting, `X-Forwarded-Host: ${host}\r\n`))['x-forwarded-host']).toBe('demo.test');
    },
  );

  test('its other X-Forwarded-*, X-Real-IP and Forwarded pass; other spellings do not', async () => {
    const lines = [
      'X-Forwarded-Prefix: /a',
      'X-Real-IP: 198.51.100.7',
      'Forwarded: for=198.51.100.7',
      'X_Forwarded_Prefix: /b',
      'X.Real.IP: 1.1.1.1',
    ];
    const fields = await pass(trusting, lines.map((line) => `${line}\r\n`).join(''));
    expect(fields).toMatchObject({
      'x-forwarded-prefix': '/a',
      'x-real-ip': '198.51.100.7',
      forwarded: 'for=198.51.100.7',
    });
    expect(Object.keys(fields).filter((name) => /[_.]/.test(name))).toEqual([]);
  });

  test("its Fly-Client-IP may be its client's own: believed with fly_client_ip alone", async () => {
    const lines = 'Fly-Client-IP: 6.6.6.6\r\nX-Forwarded-For: 198.51.100.7\r\n';
    expect((await pass(trusting, lines))['fly-client-ip']).toBe('198.51.100.7');
    expect((await pass(told, lines))['fly-client-ip']).toBe('6.6.6.6');
    expect((await pass(told, lines.replace('6.6.6.6', 'nobody')))['fly-client-ip']).toBe('198.51.100.7');
    expect((await pass(strict, lines))['fly-client-ip']).toBe('127.0.0.1');
  });
});

describe('X-Forwarded-Host', () => {
  test('is what Host says, for each request of a connection', async () => {
    const client = await rawClient(strict.port());
    for (const host of ['demo.test', 'Demo.Test:8080', 'demo.test']) {
      client.send(request('GET', '/', 'X-Forwarded-Host: evil\r\n', '', host));
      const peer =
        instance.connections.at(-1)?.closed === false ? instance.connections.at(-1)! : await instance.accept();
      const { 'x-forwarded-host': told } = fieldsOf(await peer.head());
      expect(told).toBe(host);
      peer.send(answer());
      await client.response();
    }
  });
});

describe('Forwarded (RFC 7239), where an app asks for it', () => {
  test('tells who asked, of a stranger alone', async () => {
    const fields = await pass(strict, 'Forwarded: for=6.6.6.6\r\n', '', 'asks.test');
    expect(fields.forwarded).toBe('for=127.0.0.1;proto=http;host=asks.test');
  });

  test('is appended to what a trusted proxy sent', async () => {
    const fields = await pass(trusting, 'Forwarded: for="[2001:db8::7]:1"\r\n', '', 'asks.test');
    expect(fields.forwarded).toBe('for="[2001:db8::7]:1", for=127.0.0.1;proto=http;host=asks.test');
  });

  test('quotes what is no token, and takes no open quote before it', async () => {
    const fields = await pass(trusting, 'Forwarded: for="6.6.6.6\r\n', '', 'asks.test:80');
    expect(fields.forwarded).toBe('for=127.0.0.1;proto=http;host="asks.test:80"');
    const six = await pass(balanced, '', 'PROXY TCP6 2001:db8::9 ::1 1 80\r\n', 'asks.test');
    expect(six.forwarded).toBe('for="[2001:db8::9]";proto=http;host=asks.test');
  });
});

describe('force_https', () => {
  const location = 'https://secure.test/p?q';
  /** Status of the answer, and where it leads to. */
  async function asked(edge: Edge, fields: string, before = ''): Promise<unknown> {
    const client = await rawClient(edge.port());
    client.send(before + request('GET', '/p?q', fields, '', 'secure.test'));
    void instance
      .accept()
      .then((peer) => peer.head().then(() => peer.send(answer())))
      .catch(() => {});
    const { status, fields: answered } = await client.response();
    return answered.location ?? status;
  }

  test('a trusted proxy that says https is not sent there again', async () => {
    expect(await asked(trusting, 'X-Forwarded-Proto: https\r\n')).toBe(200);
    await instance.forget();
    expect(await asked(balanced, 'X-Forwarded-Proto: http,HTTPS\r\n', 'PROXY TCP4 10.1.2.3 127.0.0.1 1 80\r\n')).toBe(
      200,
    );
  });

  test.each(['http', 'https, http', 'ftp', ''])('one that says %j is', async (proto) => {
    expect(await asked(trusting, `X-Forwarded-Proto: ${proto}\r\n`)).toBe(location);
  });

  test('a stranger is, whatever it says, behind a PROXY header too', async () => {
    expect(await asked(strict, 'X-Forwarded-Proto: https\r\n')).toBe(location);
    const header = 'PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n';
    expect(await asked(balanced, 'X-Forwarded-Proto: https\r\nX_Forwarded_Proto: https\r\n', header)).toBe(location);
  });
});
