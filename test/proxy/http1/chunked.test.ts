import { describe, expect, test } from 'vitest';
import { type Fault, faults } from '../../../src/proxy/http/message/faults.ts';
import { ChunkedDecoder, Onward, passed } from '../../../src/proxy/http1/chunked.ts';

const MAX_LINE = 64;

/** Pushes the text in pieces of `step` bytes; what the decoder made of it, and what goes on. */
function read(
  text: string,
  step = text.length,
  onward: Onward = Onward.payload,
  ...drops: [options?: readonly string[] | null, drops?: ReadonlySet<string> | null]
): { end: number; decoder: ChunkedDecoder; seen: string } {
  const decoder = new ChunkedDecoder();
  decoder.reset(MAX_LINE, onward, ...drops);
  const buf = Buffer.from(`xyz${text}`, 'latin1');
  let at = 3;
  let seen = '';
  while (at >= 0 && at < buf.length && !decoder.done) {
    at = decoder.push(buf, at, Math.min(buf.length, at + step));
    if (at >= 0) seen += passed.bytes.latin1Slice(passed.from, passed.to);
  }
  return { end: at < 0 ? at : at - 3, decoder, seen };
}

function expectRead(text: string, payload: string): void {
  for (const step of [text.length + 4, 1, 2, 3, 7]) {
    const { end, decoder, seen } = read(`${text}next`, step);
    expect([decoder.fault, decoder.done, end, seen, decoder.bytes]).toEqual([
      '',
      true,
      text.length,
      payload,
      payload.length,
    ]);
  }
}

describe('a chunked body that is read', () => {
  test('RFC 9112 7.1: chunks, sizes in any case and with leading zeros', () => {
    expectRead('0\r\n\r\n', '');
    expectRead('3\r\nabc\r\n0\r\n\r\n', 'abc');
    expectRead('A\r\n0123456789\r\n00b\r\n\r\n\r\n0\r\n\r\nxy\r\n000\r\n\r\n', '0123456789\r\n\r\n0\r\n\r\nxy');
  });

  test('RFC 9112 7.1.1: extensions are skipped', () => {
    expectRead('1;a\r\nx\r\n1;a=b;c="d;\\"e\t\xe9"\r\ny\r\n0;z=""\r\n\r\n', 'xy');
  });

  test('RFC 9112 7.1.2: trailers', () => {
    expectRead('1\r\nx\r\n0\r\nX-Sum: 1 \r\nExpires:\r\n\r\n', 'x');
  });

  test('RFC 9112 7.1: payload is not looked at, however long', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset(MAX_LINE);
    const buf = Buffer.from('1fffffffffffff\r\n');
    expect(decoder.push(buf, 0, buf.length)).toBe(buf.length);
    const data = Buffer.alloc(1 << 20, '\n');
    expect(decoder.push(data, 5, data.length)).toBe(data.length);
    expect([decoder.bytes, decoder.done, decoder.fault]).toEqual([data.length - 5, false, '']);
    expect([passed.bytes === data, passed.from, passed.to]).toEqual([true, 5, data.length]);
  });

  test('many small chunks in one push are all collected', () => {
    expectRead(`${'1\r\nx\r\n'.repeat(100)}0\r\n\r\n`, 'x'.repeat(100));
  });

  test('reset begins anew, after a fault or in the middle', () => {
    const { decoder } = read('5\r\nab');
    decoder.reset(MAX_LINE);
    expect(decoder.push(Buffer.from('x'), 0, 1)).toBe(-1);
    decoder.reset(MAX_LINE);
    expect(decoder.push(Buffer.from('0\r\n\r\n'), 0, 5)).toBe(5);
    expect([decoder.done, decoder.fault, decoder.bytes]).toEqual([true, '', 0]);
  });
});

const refused: [Fault, string[]][] = [
  [
    'bad-chunk-size',
    ['\r\n', ';a\r\n', ' 1\r\n', '1 \r\n', '0x1\r\n', '-1\r\n', '+1\r\n', 'g\r\n', '1 ;a\r\n', '1\t\r\n'],
  ],
  ['chunk-size-overflow', ['20000000000000\r\n', 'ffffffffffffffffff\r\n']],
  [
    'bad-chunk-extension',
    [
      ';',
      ';;a',
      ';=b',
      ';a=',
      '; a',
      ';a =b',
      ';a= b',
      ';a="b"c',
      ';a\x01',
      ';a="\0"',
      ';a="b\r\n',
      ';a="b\\\r\n',
      ';\xe9',
    ].map((it) => `1${it}\r\n`),
  ],
  ['bare-lf', ['1\n', '1;a\n', '1;a=b\n', '1;a="b"\n', '0\r\n\n', '0\r\nX: a\n']],
  ['bare-cr', ['1\rx', '1;a\rx', '0\r\n\rx', '0\r\nX: a\rb']],
  ['bad-chunk-end', ['1\r\nxy', '1\r\nx\n', '1\r\nx\rx', '1\r\nx0\r\n']],
  ['chunk-line-too-long', [`1;${'a'.repeat(MAX_LINE)}`, '0'.repeat(MAX_LINE + 1)]],
  ['chunk-extensions-too-long', ['1;abcdefghi\r\nx\r\n'.repeat(10)]],
  ['trailers-too-large', [`0\r\nX: ${'a'.repeat(MAX_LINE)}`, `0\r\n${'X: a\r\n'.repeat(20)}`]],
  ['obs-fold', ['0\r\n X: a', '0\r\nX: a\r\n\tb']],
  ['empty-name', ['0\r\n: a']],
  ['bad-name', ['0\r\nX(: a', '0\r\n\xe9: a', '0\r\nX\0']],
  ['no-colon', ['0\r\nX\r\n']],
  ['space-in-name', ['0\r\nX : a', '0\r\nX\t: a']],
  ['control-in-value', ['0\r\nX: \0', '0\r\nX: \x7f']],
];

describe('a chunked body that is refused', () => {
  for (const [fault, texts] of refused) {
    test(`${faults[fault]}: ${fault}`, () => {
      for (const text of texts) {
        for (const step of [text.length, 1]) {
          const { end, decoder } = read(text, step);
          expect([text, end, decoder.fault]).toEqual([text, -1, fault]);
        }
      }
    });
  }
});

describe('what goes on of a chunked body', () => {
  /** In any pieces, and never payload late: what came of it has gone on after each push. */
  function expectOn(
    text: string,
    goesOn: string,
    onward: Onward,
    ...drops: [(readonly string[])?, ReadonlySet<string>?]
  ): void {
    for (const step of [text.length + 4, 1, 2, 3, 5, 7]) {
      const { decoder, seen } = read(`${text}next`, step, onward, ...drops);
      expect([step, decoder.fault, decoder.done, seen]).toEqual([step, '', true, goesOn]);
    }
  }
  const plain = '3\r\nabc\r\na\r\n0123456789\r\n1f\r\n0123456789012345678901234567890\r\n0\r\n\r\n';

  test('what is as we would write it goes on as it came, without a copy', () => {
    expectOn(plain, plain, Onward.chunks);
    const buf = Buffer.from(plain);
    const decoder = new ChunkedDecoder();
    decoder.reset(MAX_LINE);
    decoder.push(buf, 0, buf.length);
    expect([passed.bytes === buf, passed.from, passed.to]).toEqual([true, 0, buf.length]);
  });

  test.each(['03', '0000003', '3;a', '3;a=b;c="d\\"\r', '3;a="b"'].map((size) => size.replace('\r', '"')))(
    'chunk line %s is written anew',
    (size) => {
      expectOn(`1\r\nx\r\n${size}\r\nabc\r\n00;z\r\n\r\n`, '1\r\nx\r\n3\r\nabc\r\n0\r\n\r\n', Onward.chunks);
    },
  );

  test('sizes are in lower case', () => {
    expectOn('A\r\n0123456789\r\n1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n', plain.slice(8), Onward.chunks);
  });

  const trailers = 'X-Sum: 1 \r\nx_other:2\r\nExpires: now\r\nX-Hop: 3\r\nX-Gone: 4\r\n';

  test('trailers end with the body, unless they are wanted', () => {
    expectOn(`1\r\nx\r\n0\r\n${trailers}\r\n`, '1\r\nx\r\n0\r\n\r\n', Onward.chunks);
    const on = '1\r\nx\r\n0\r\nX-Sum: 1 \r\nx_other:2\r\n\r\n';
    expectOn(`1\r\nx\r\n0\r\n${trailers}\r\n`, on, Onward.trailers, ['x-hop'], new Set(['x-gone']));
  });

  test.each([
    'Content-Length',
    'TRANSFER-ENCODING',
    'content_length',
    'transfer.encoding',
    'host',
    'Connection',
    'Keep-Alive',
    'keep_alive',
    'TE',
    'Trailer',
    'Upgrade',
    'HTTP2-Settings',
    'Fly-Client-IP',
    'fly_client_ip',
    'Fly-Anything',
    'X-Forwarded-For',
    'X_Forwarded_Prefix',
    'Forwarded',
    'X-Real-IP',
    'x.real.ip',
    'X-Request-Start',
    'Via',
    'Expect',
    'Authorization',
    'Cookie',
    'Set-Cookie',
    'Set_Cookie',
    'Content-Encoding',
    'Content-Type',
    'Content-Range',
    'Max-Forwards',
    'Cache-Control',
    'If-Match',
    'Range',
    'WWW-Authenticate',
    'Proxy-Authorization',
    'Date',
    'Location',
  ])('no trailer is %s', (name) => {
    expectOn(`0\r\n${name}: 5\r\nX-Sum: 1\r\n\r\n`, '0\r\nX-Sum: 1\r\n\r\n', Onward.trailers);
  });

  test('payload is not held back, chunk lines only until they are whole', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset(MAX_LINE);
    const push = (text: string): string => {
      const buf = Buffer.from(text);
      expect(decoder.push(buf, 0, buf.length)).toBe(buf.length);
      return passed.bytes.latin1Slice(passed.from, passed.to);
    };
    expect(push('0')).toBe('');
    expect(push('3;a')).toBe('');
    expect(push('\r\na')).toBe('3\r\na');
    expect(push('b')).toBe('b');
    expect(push('c\r')).toBe('c\r');
    expect(push('\n2\r\nde\r\n0')).toBe('\n2\r\nde\r\n');
    expect(push('\r\nX-A')).toBe('0\r\n');
    expect(push(': 1\r\n')).toBe('');
    expect(push('\r\n')).toBe('\r\n');
  });
});
