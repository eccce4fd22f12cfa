import { describe, expect, test } from 'vitest';
import { type Fault, faults } from '../../../../src/proxy/http/message/faults.ts';
import { Framing } from '../../../../src/proxy/http/message/framing.ts';
import { Id } from '../../../../src/proxy/http/message/names.ts';
import { ResponseHead } from '../../../../src/proxy/http/message/response-head.ts';

function read(text: string, maxSize = 1024, maxCount = 10): { code: number; head: ResponseHead } {
  const head = new ResponseHead();
  const buf = Buffer.from(`xyz${text}tail`, 'latin1');
  return { code: head.parse(buf, 3, buf.length - 4, maxSize, maxCount), head };
}

const answer = (fields: string, line = 'HTTP/1.1 200 OK'): string => `${line}\r\n${fields}\r\n`;

function accepted(text: string): ResponseHead {
  const { code, head } = read(text);
  expect([code, head.fault]).toEqual([text.length, '']);
  return head;
}

describe('a response that is read', () => {
  test('RFC 9112 4: status line and fields', () => {
    const head = accepted(answer('Date: x\r\nServer: y\r\n', 'HTTP/1.0 404 Not caf\xe9'));
    expect([head.status, head.minor, head.text.slice(head.reasonStart, head.reasonEnd)]).toEqual([
      404,
      0,
      'Not caf\xe9',
    ]);
    expect([...head.ids.subarray(0, head.count)]).toEqual([Id.date, Id.server]);
  });

  test('RFC 9112 4: the reason may be empty, and its space may be missing', () => {
    for (const line of ['HTTP/1.1 200 ', 'HTTP/1.1 200']) {
      const head = accepted(answer('', line));
      expect([head.status, head.reasonStart]).toEqual([200, head.reasonEnd]);
    }
  });

  test('RFC 9112 6.3: how the body ends', () => {
    const frame = (fields: string, line?: string, method = 'GET'): Framing =>
      accepted(answer(fields, line)).frame(method);
    expect(frame('Content-Length: 5\r\n')).toBe(Framing.length);
    expect(frame('Content-Length: 0\r\n')).toBe(Framing.length);
    expect(frame('Transfer-Encoding: chunked\r\n')).toBe(Framing.chunked);
    expect(frame('')).toBe(Framing.untilClose);
    for (const status of [100, 101, 103, 204, 304]) {
      expect(frame('Content-Length: 0\r\n', `HTTP/1.1 ${status} x`)).toBe(Framing.none);
      expect(frame('', `HTTP/1.1 ${status} x`)).toBe(Framing.none);
    }
    expect(frame('Content-Length: 5\r\n', 'HTTP/1.1 304 x')).toBe(Framing.none);
    expect(frame('Transfer-Encoding: chunked\r\n', 'HTTP/1.1 204 x')).toBe(Framing.none);
    expect(frame('Content-Length: 5\r\n', undefined, 'HEAD')).toBe(Framing.none);
    expect(frame('Transfer-Encoding: chunked\r\n', undefined, 'HEAD')).toBe(Framing.none);
    expect(accepted(answer('Content-Length: 5\r\n')).contentLength).toBe(5);
    expect(accepted(answer('')).contentLength).toBe(-1);
  });

  test('RFC 9112 9.3: keep-alive, which a body without length ends', () => {
    const keepAlive = (fields: string, line?: string, method = 'GET'): boolean => {
      const head = accepted(answer(fields, line));
      head.frame(method);
      return head.keepAlive;
    };
    expect(keepAlive('Content-Length: 5\r\n')).toBe(true);
    expect(keepAlive('Content-Length: 5\r\nConnection: close\r\n')).toBe(false);
    expect(keepAlive('Content-Length: 5\r\n', 'HTTP/1.0 200 OK')).toBe(false);
    expect(keepAlive('Content-Length: 5\r\nConnection: keep-alive\r\n', 'HTTP/1.0 200 OK')).toBe(true);
    expect(keepAlive('')).toBe(false);
    expect(keepAlive('', undefined, 'HEAD')).toBe(true);
  });

  test('RFC 9110 7.8: upgrade', () => {
    const head = accepted(
      answer('Connection: Upgrade, x\r\nUpgrade: websocket\r\n', 'HTTP/1.1 101 Switching Protocols'),
    );
    expect([head.upgrade, head.connectionOptions]).toEqual([true, ['x']]);
    expect(accepted(answer('Upgrade: h2c\r\n')).upgrade).toBe(false);
  });

  test('an instance forgets the message before', () => {
    const head = new ResponseHead();
    const parse = (text: string): number => head.parse(Buffer.from(text), 0, text.length, 1024, 10);
    parse(answer('Transfer-Encoding: chunked\r\nConnection: x, close\r\n'));
    parse(answer('Content-Length: 5\r\n', 'HTTP/1.0 404 Not Found'));
    parse(answer(''));
    expect(head).toMatchObject({
      status: 200,
      minor: 1,
      contentLength: -1,
      keepAlive: true,
      connectionOptions: null,
      count: 0,
    });
    expect(head.frame('GET')).toBe(Framing.untilClose);
  });
});

const refused: [Fault, string[]][] = [
  ['bare-lf', ['HTTP/1.1 200 OK\n', 'HTTP/1.1 200\n', 'HTTP/1.1\n', answer('X: a\nb\r\n')]],
  ['bare-cr', ['HTTP/1.1 200 OK\rX', answer('X: a\rb\r\n')]],
  ['bad-version', ['\r\nHTTP/1.1 200 OK\r\n', 'ICY 200 OK\r\n', 'http/1.1 200 OK\r\n', 'HTTP/1.x 200']],
  ['version-unsupported', ['HTTP/2.0 200 OK\r\n', 'HTTP/1.2 200 OK\r\n']],
  [
    'bad-status-line',
    [
      'HTTP/1.1  200 OK\r\n',
      'HTTP/1.1 20 OK\r\n',
      'HTTP/1.1 2000 OK\r\n',
      'HTTP/1.1 200\tOK\r\n',
      'HTTP/1.1 -20 OK\r\n',
      'HTTP/1.1 200 a\0b\r\n',
      'HTTP/1.1\t200 OK\r\n',
    ],
  ],
  ['bad-status', ['HTTP/1.1 099 x\r\n', 'HTTP/1.1 000 x\r\n']],
  ['space-before-first-field', [answer(' X: a\r\n')]],
  ['obs-fold', [answer('X: a\r\n b\r\n')]],
  ['space-in-name', [answer('X : a\r\n')]],
  ['control-in-value', [answer('X: \0\r\n')]],
  ['length-and-coding', [answer('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n')]],
  [
    'bad-length',
    ['5, 6', '5,', '+5', '\xa05', '5\r\nContent-Length: 6'].map((length) => answer(`Content-Length: ${length}\r\n`)),
  ],
  ['coding-in-1.0', [answer('Transfer-Encoding: chunked\r\n', 'HTTP/1.0 200 OK')]],
  ['repeated-coding', [answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n')]],
  ['bad-coding', [answer('Transfer-Encoding: chunked\t\r\n'), answer('Transfer-Encoding:\r\n')]],
  [
    'chunked-not-last',
    [
      answer('Transfer-Encoding: gzip\r\n'),
      answer('Transfer-Encoding: chunked, gzip\r\n'),
      answer('Transfer-Encoding: chunked, chunked\r\n'),
    ],
  ],
  [
    'interim-with-body',
    [answer('Content-Length: 5\r\n', 'HTTP/1.1 103 x'), answer('Transfer-Encoding: chunked\r\n', 'HTTP/1.1 100 x')],
  ],
  ['coding-not-implemented', [answer('Transfer-Encoding: gzip, chunked\r\n')]],
  ['bad-connection', [answer('Connection: a b\r\n')]],
  ['connection-names-framing', [answer('Connection: content-length\r\n')]],
];

describe('a response that is refused', () => {
  for (const [fault, texts] of refused) {
    test(`${faults[fault]}: ${fault}`, () => {
      for (const text of texts) {
        const { code, head } = read(text);
        expect([text, code, head.fault]).toEqual([text, -1, fault]);
      }
    });
  }
});

describe('limits and incomplete heads', () => {
  const text = answer('X: a\r\n');

  test('RFC 9112 4: every part of a head is incomplete', () => {
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length)).code).toBe(0);
  });

  test('RFC 9110 5.4: too many bytes or fields', () => {
    expect(read(text, text.length, 1).code).toBe(text.length);
    expect(read(text, text.length - 1, 1).code).toBe(-2);
    expect(read(text, text.length, 0).code).toBe(-2);
    expect(read(text.slice(0, 12), 12).code).toBe(-2);
  });
});
