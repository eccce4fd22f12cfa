import { describe, expect, test } from 'vitest';
import { type Fault, faults } from '../../../../src/proxy/http/message/faults.ts';
import { findHeadEnd } from '../../../../src/proxy/http/message/head-end.ts';
import { Id } from '../../../../src/proxy/http/message/names.ts';
import { RequestHead } from '../../../../src/proxy/http/message/request-head.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function read(text: string, maxSize = 1024, maxCount = 10): { code: number; head: RequestHead } {
  const head = new RequestHead();
  // Not at the buffer's start, and not to its end: offsets must not depend on either.
  const buf = bytes(`xyz${text}tail`);
  return { code: head.parse(buf, 3, buf.length - 4, maxSize, maxCount), head };
}

const get = (fields: string, line = 'GET / HTTP/1.1'): string => `${line}\r\nHost: a.example\r\n${fields}\r\n`;

function accepted(text: string): RequestHead {
  const { code, head } = read(text);
  expect([code, head.fault]).toEqual([text.length, '']);
  return head;
}

function expectRefused(text: string, fault: Fault): void {
  const { code, head } = read(text);
  expect([code, head.fault]).toEqual([-1, fault]);
}

const forwarded = (head: RequestHead): string => head.text.slice(head.pathStart, head.pathEnd);

describe('a request that is read', () => {
  test('RFC 9112 3: request line, fields without the blanks around values, ids in any case', () => {
    const head = accepted(
      'POST /a?b=c HTTP/1.1\r\nHOST: A.Example:8080\r\nX-Y:\t v w \t\r\nfly-region:iad\r\nEmpty:\r\n\r\n',
    );
    expect([head.method, head.target, head.minor, head.host]).toEqual(['POST', '/a?b=c', 1, 'a.example']);
    expect(forwarded(head)).toBe('/a?b=c');
    expect([...head.ids.subarray(0, head.count)]).toEqual([Id.host, Id.other, Id.fly, Id.other]);
    const { bounds, text } = head;
    const fields = Array.from({ length: head.count }, (_, i) => [
      text.slice(bounds[4 * i], bounds[4 * i + 1]),
      text.slice(bounds[4 * i + 2], bounds[4 * i + 3]),
    ]);
    expect(fields).toEqual([
      ['HOST', 'A.Example:8080'],
      ['X-Y', 'v w'],
      ['fly-region', 'iad'],
      ['Empty', ''],
    ]);
  });

  test('RFC 9110 5.1: every known name has its id, and names that begin alike do not', () => {
    const names: [string, number][] = [
      ['Connection', Id.connection],
      ['Keep-Alive', Id.keepAlive],
      ['Proxy-Connection', Id.proxyConnection],
      ['TE', Id.te],
      ['Trailer', Id.trailer],
      ['Upgrade', Id.upgrade],
      ['Expect', Id.expect],
      ['X-Forwarded-For', Id.xForwardedFor],
      ['X-Forwarded-Proto', Id.xForwardedProto],
      ['X-Forwarded-Port', Id.xForwardedPort],
      ['X-Forwarded-Ssl', Id.xForwardedSsl],
      ['X-Request-Start', Id.xRequestStart],
      ['Via', Id.via],
      ['Server', Id.server],
      ['Date', Id.date],
      ['Fly-Client-IP', Id.flyClientIp],
      ['Fly-Client-I', Id.fly],
      ['Fly-', Id.fly],
      ['Fly', Id.other],
      ['Viaa', Id.other],
      ['Vix', Id.other],
      ['Content-Lengt', Id.other],
      ['Content-Lungth', Id.other],
      ['X', Id.other],
    ];
    for (const [name, id] of names) {
      expect([name, accepted(get(`${name}: x\r\n`)).ids[1]]).toEqual([name, id]);
      expect([name, accepted(get(`${name.toUpperCase()}: x\r\n`)).ids[1]]).toEqual([name, id]);
    }
    expect(accepted(get('Content-Length: 1\r\n')).ids[1]).toBe(Id.contentLength);
    expect(accepted(get('Transfer-Encoding: chunked\r\n')).ids[1]).toBe(Id.transferEncoding);
  });

  test('RFC 9112 2.2: one empty line before the request is forgiven', () => {
    const head = accepted(`\r\n${get('')}`);
    expect(head.text.startsWith('GET / ')).toBe(true);
    expect(head.text.slice(head.bounds[2], head.bounds[3])).toBe('a.example');
  });

  test('RFC 9110 9.1: a method is any token; RFC 9112 3.2.3: CONNECT is read so that it can be answered', () => {
    expect(accepted(get('', 'BREW / HTTP/1.1')).method).toBe('BREW');
    expect(accepted(get('', 'get / HTTP/1.1')).method).toBe('get');
    const head = accepted(get('', 'CONNECT b.example:443 HTTP/1.1'));
    expect([head.method, head.target, forwarded(head)]).toEqual(['CONNECT', 'b.example:443', '']);
  });

  test('RFC 9112 3.2.2: absolute-form becomes its path and query', () => {
    const path = (line: string): string => forwarded(accepted(get('', `${line} HTTP/1.1`)));
    expect(path('GET http://a.example/b?c')).toBe('/b?c');
    expect(path('GET HTTPS://A.EXAMPLE/b')).toBe('/b');
    expect(path('GET http://a.example')).toBe('/');
    expect(path('GET http://a.example?q=/')).toBe('/?q=/');
    expect(path('OPTIONS *')).toBe('*');
  });

  test('RFC 9112 3.2.4: OPTIONS for a server as a whole stays that', () => {
    expect(forwarded(accepted(get('', 'OPTIONS http://a.example HTTP/1.1')))).toBe('*');
    expect(forwarded(accepted(get('', 'OPTIONS http://a.example/ HTTP/1.1')))).toBe('/');
  });

  test('RFC 9112 3.2: Host may be absent in 1.0; the authority of an absolute-form takes its place', () => {
    expect(accepted('GET / HTTP/1.0\r\n\r\n').host).toBe('');
    expect(accepted('GET http://B.example:80/ HTTP/1.0\r\n\r\n').host).toBe('b.example');
  });

  test('RFC 9110 7.2: hosts with ports and IP literals', () => {
    const host = (value: string): string => accepted(`GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`).host;
    expect(host('a.example:65535')).toBe('a.example');
    expect(host('[2001:DB8::1]')).toBe('[2001:db8::1]');
    expect(host('[::ffff:1.2.3.4]:80')).toBe('[::ffff:1.2.3.4]');
    expect(host('a_b')).toBe('a_b');
  });

  test('RFC 9110 5.5: obs-text and tabs in values pass', () => {
    const head = accepted(get('X: caf\xe9\tb\r\n'));
    expect(head.text.slice(head.bounds[6], head.bounds[7])).toBe('caf\xe9\tb');
  });

  test('RFC 9112 6.3: framing', () => {
    const framing = (fields: string): number[] => {
      const { framing, contentLength } = accepted(get(fields, 'POST / HTTP/1.1'));
      return [framing, contentLength];
    };
    expect(framing('')).toEqual([0, 0]);
    expect(framing('Content-Length: 0\r\n')).toEqual([1, 0]);
    expect(framing('Content-Length: 9007199254740991\r\n')).toEqual([1, Number.MAX_SAFE_INTEGER]);
    expect(framing('Transfer-Encoding: chunked\r\n')).toEqual([2, 0]);
    expect(framing('Transfer-Encoding: CHUNKED\r\n')).toEqual([2, 0]);
  });

  test('RFC 9112 9.3: keep-alive', () => {
    const keepAlive = (version: string, fields: string): boolean =>
      accepted(get(fields, `GET / HTTP/${version}`)).keepAlive;
    expect(keepAlive('1.1', '')).toBe(true);
    expect(keepAlive('1.1', 'Connection: close\r\n')).toBe(false);
    expect(keepAlive('1.1', 'Connection: x,, CLOSE\r\n')).toBe(false);
    expect(keepAlive('1.1', 'Connection: keep-alive\r\nConnection: close\r\n')).toBe(false);
    expect(keepAlive('1.0', '')).toBe(false);
    expect(keepAlive('1.0', 'Connection: Keep-Alive\r\n')).toBe(true);
    expect(keepAlive('1.0', 'Connection: keep-alive, close\r\n')).toBe(false);
  });

  test('RFC 9110 7.6.1: other connection options are listed, in lower case', () => {
    expect(accepted(get('Connection: close\r\n')).connectionOptions).toBeNull();
    expect(accepted(get('Connection: TE, close\r\nConnection: X-A\r\n')).connectionOptions).toEqual(['te', 'x-a']);
  });

  test('RFC 9110 7.8: upgrade needs both fields, a protocol, and 1.1', () => {
    const upgrade = (fields: string, version = '1.1'): boolean =>
      accepted(get(fields, `GET / HTTP/${version}`)).upgrade;
    expect(upgrade('Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n')).toBe(true);
    expect(upgrade('Connection: upgrade\r\n')).toBe(false);
    expect(upgrade('Upgrade: websocket\r\n')).toBe(false);
    expect(upgrade('Connection: upgrade\r\nUpgrade:\r\n')).toBe(false);
    expect(upgrade('Connection: upgrade\r\nUpgrade: websocket\r\n', '1.0')).toBe(false);
  });

  test('RFC 9110 10.1.1: 100-continue is expected in 1.1 only', () => {
    expect(accepted(get('Expect: 100-Continue\r\n')).expectContinue).toBe(true);
    expect(accepted(get('Expect: 100-continue\r\n', 'GET / HTTP/1.0')).expectContinue).toBe(false);
    expect(accepted(get('')).expectContinue).toBe(false);
  });

  test('an instance forgets the message before', () => {
    const head = new RequestHead();
    const parse = (text: string): number => head.parse(bytes(text), 0, text.length, 1024, 10);
    parse(
      get('Content-Length: 5\r\nConnection: x, close\r\nExpect: 100-continue\r\nUpgrade: x\r\n', 'POST /a HTTP/1.1'),
    );
    expect(parse('GET / HTTP/2.0\r\n')).toBe(-1);
    expect(parse('GET / HTTP/1.0\r\n\r\n')).toBe(18);
    expect(head).toMatchObject({
      fault: '',
      method: 'GET',
      target: '/',
      minor: 0,
      host: '',
      count: 0,
      framing: 0,
      contentLength: 0,
      keepAlive: false,
      upgrade: false,
      expectContinue: false,
      connectionOptions: null,
    });
  });
});

/** What is refused, by the rule it breaks. */
const refused: [Fault, string[]][] = [
  [
    'bare-lf',
    [
      'GET / HTTP/1.1\nHost: a\r\n\r\n',
      '\nGET / HTTP/1.1',
      'GET\n',
      'GET /\n',
      get('X: a\nb\r\n'),
      get('X\n'),
      get('\n'),
    ],
  ],
  ['bare-cr', ['GET / HTTP/1.1\rHost', '\rGET', get('X: a\rb\r\n'), get('\rX')]],
  ['empty-lines', ['\r\n\r\nGET / HTTP/1.1\r\n']],
  ['space-before-first-field', ['GET / HTTP/1.1\r\n Host: a\r\n', 'GET / HTTP/1.1\r\n\tHost: a\r\n']],
  ['obs-fold', [get('X: a\r\n b\r\n'), get('X: a\r\n\t\r\n')]],
  ['bad-version', ['GET / http/1.1\r\n', 'GET / HTTP/1\r\n', 'GET / HTTP 1.1\r\n', 'GET / \r\n']],
  ['version-unsupported', ['PRI * HTTP/2.0\r\n', 'GET / HTTP/0.9\r\n', 'GET / HTTP/1.2\r\n']],
  ['bad-request-line', ['GET / HTTP/1.1 \r\n', 'GET / HTTP/1.10\r\n', 'GET /\r\n']],
  ['bad-method', [' GET / HTTP/1.1\r\n', 'G(T / HTTP/1.1\r\n', 'GET\t/ HTTP/1.1\r\n', 'GET\r\n', '\x16\x03\x01\x02']],
  [
    'bad-target',
    [
      'GET /\xe9 HTTP/1.1\r\n',
      'GET /\x7f HTTP/1.1\r\n',
      'GET /\0 HTTP/1.1\r\n',
      'GET /a\tb HTTP/1.1\r\n',
      'GET  / HTTP/1.1\r\n',
    ],
  ],
  ['fragment', ['GET /a#b HTTP/1.1\r\n']],
  [
    'target-form',
    [
      get('', 'GET * HTTP/1.1'),
      get('', 'GET a HTTP/1.1'),
      get('', 'GET a.example:80 HTTP/1.1'),
      get('', 'GET ftp://a.example/ HTTP/1.1'),
      get('', 'CONNECT / HTTP/1.1'),
      get('', 'CONNECT a.example HTTP/1.1'),
      get('', 'CONNECT http://a.example/ HTTP/1.1'),
    ],
  ],
  ['userinfo', [get('', 'GET http://u@a.example/ HTTP/1.1')]],
  ['empty-name', [get(': x\r\n')]],
  ['bad-name', [get('X(Y): x\r\n'), get('\xe9: x\r\n'), get('X\0: x\r\n'), get('"X": x\r\n')]],
  ['no-colon', [get('X\r\n')]],
  ['space-in-name', [get('X : a\r\n'), get('X\t: a\r\n'), get('X Y: a\r\n')]],
  ['control-in-value', [get('X: \0\r\n'), get('X: a\x7f\r\n'), get('X: a\x0b\r\n'), get('X: \x1b\r\n')]],
  ['no-host', ['GET / HTTP/1.1\r\n\r\n', 'GET http://a.example/ HTTP/1.1\r\n\r\n']],
  ['two-hosts', [get('Host: a.example\r\n'), get('hOST: b\r\n', 'GET / HTTP/1.0')]],
  ['empty-host', ['GET / HTTP/1.1\r\nHost: \r\n\r\n', 'GET http:///a HTTP/1.0\r\n\r\n']],
  [
    'bad-host',
    [
      '\ta',
      'a\t',
      'a b',
      'a@b',
      'a/b',
      'a:',
      '.',
      'a..',
      '[1:2]',
      'a:b',
      'a:65536',
      'a:1:2',
      ':80',
      '[::1',
      '[]',
      '::1',
      '[::1]a',
      '%61',
      'a\xe9',
      'a?b',
      'a\\b',
    ].map((host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  ],
  [
    'authority-is-not-host',
    [
      'GET http://b.example/ HTTP/1.1',
      'GET http://a.example:81/ HTTP/1.1',
      'GET https://a.example:80/ HTTP/1.1',
      'GET http://a.example.evil/ HTTP/1.1',
    ].map((line) => get('', line)),
  ],
  [
    'length-and-coding',
    [
      get('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
      get('Transfer-Encoding: chunked\r\ncontent-length: 5\r\n'),
    ],
  ],
  [
    'repeated-length',
    [get('Content-Length: 5\r\nContent-Length: 5\r\n'), get('Content-Length: 5\r\nContent-Length: 6\r\n')],
  ],
  [
    'bad-length',
    [
      '',
      '+5',
      '-5',
      '05',
      '00',
      ' 5',
      '5 ',
      '5\t',
      '\t5',
      '5, 5',
      '5 5',
      '0x5',
      '1e1',
      '5.0',
      '9007199254740992',
      '1'.repeat(400),
    ].map((length) => get(`Content-Length: ${length}\r\n`)),
  ],
  ['coding-in-1.0', [get('Transfer-Encoding: chunked\r\n', 'POST / HTTP/1.0')]],
  ['repeated-coding', [get('Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n')]],
  [
    'bad-coding',
    [
      ': ',
      ': ,chunked',
      ': chunked,',
      ': chunked;q=1',
      ': "chunked"',
      ':\tchunked',
      ': chunked ',
      ': chunked\t',
      ': gzip,\tchunked',
      ': \xa0chunked',
      ': chunked\xa0',
      ': gzip, \xa0chunked',
      ': \xe9',
    ].map((value) => get(`Transfer-Encoding${value}\r\n`)),
  ],
  [
    'chunked-not-last',
    ['gzip', 'identity', 'xchunked', 'chunked, gzip', 'chunked, chunked'].map((value) =>
      get(`Transfer-Encoding: ${value}\r\n`),
    ),
  ],
  ['coding-not-implemented', ['gzip, chunked', 'gzip , Chunked'].map((v) => get(`Transfer-Encoding: ${v}\r\n`))],
  [
    'bad-connection',
    [
      get('Connection: \xa0close\r\n'),
      get('Connection: close keep-alive\r\n'),
      get('Connection: a;b\r\n'),
      get('Connection: close\r\nConnection: "x"\r\n'),
    ],
  ],
  [
    'connection-names-framing',
    ['Host', 'content-length', 'close, Transfer-Encoding'].map((option) => get(`Connection: ${option}\r\n`)),
  ],
];

describe('a request that is refused', () => {
  for (const [fault, texts] of refused) {
    test(`${faults[fault]}: ${fault}`, () => {
      for (const text of texts) expectRefused(text, fault);
    });
  }

  test('RFC 9110 15.6.6: another version is told from a bad one', () => {
    expect(read('GET / HTTP/2.0\r\n').head.fault).toBe('version-unsupported');
    expect(read('GET / HTP/1.1\r\n').head.fault).toBe('bad-version');
  });
});

describe('limits and incomplete heads', () => {
  const text = get('X: a\r\n');

  test('RFC 9112 3: every part of a head is incomplete', () => {
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length)).code).toBe(0);
  });

  test('RFC 9110 5.4: a head of the largest size passes, one byte more does not, with or without its end', () => {
    expect(read(text, text.length).code).toBe(text.length);
    expect(read(text, text.length - 1).code).toBe(-2);
    expect(read(text.slice(0, 20), 20).code).toBe(-2);
    expect(read(text.slice(0, 20), 21).code).toBe(0);
    expect(read('G'.repeat(50), 50).code).toBe(-2);
  });

  test('RFC 9110 5.4: one field too many', () => {
    expect(read(text, 1024, 2).code).toBe(text.length);
    expect(read(text, 1024, 1).code).toBe(-2);
  });

  test('a second request in the buffer is left there', () => {
    expect(read(text + text).code).toBe(text.length);
  });
});

describe('findHeadEnd', () => {
  test('RFC 9112 2.1: finds the end, however the bytes come', () => {
    const head = bytes(`${get('')}tail`);
    const end = head.length - 4;
    for (let cut = 0; cut < head.length; cut++) {
      expect(findHeadEnd(head, 0, cut)).toBe(cut < end ? 0 : end);
      if (cut < end) expect(findHeadEnd(head, cut, head.length)).toBe(end);
    }
  });

  test('RFC 9112 2.2: stops at a CR or LF that stands alone', () => {
    for (const text of ['\n', 'a\nb', 'a\rb', 'a\r\rb', 'a\r\n\n']) {
      for (let cut = 0; cut <= text.length; cut++) {
        const before = findHeadEnd(bytes(text), 0, cut);
        expect(before < 0 ? before : findHeadEnd(bytes(text), cut, text.length)).toBe(-1);
      }
    }
    expect(findHeadEnd(bytes('a\r'), 0, 2)).toBe(0);
  });
});
