import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type ClientHello, maxClientHello, parseClientHello } from '../../../src/proxy/tls/client-hello.ts';
import { mutate } from '../../helpers/mutate.ts';
import { seeded } from '../../helpers/random.ts';

const bytes = (...parts: (number | number[] | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'number' ? [part] : part)));
const u16 = (value: number): number[] => [value >> 8, value & 255];
const sized = (width: 1 | 2, content: Uint8Array): Buffer =>
  bytes(width === 1 ? [content.length] : u16(content.length), content);

const extension = (type: number, content: Uint8Array): Buffer => bytes(u16(type), sized(2, content));
const name = (text: string, type = 0): Buffer => bytes(type, sized(2, Buffer.from(text, 'latin1')));
const sni = (...names: Buffer[]): Buffer => extension(0, sized(2, bytes(...names)));
const alpn = (...protocols: string[]): Buffer =>
  extension(16, sized(2, bytes(...protocols.map((protocol) => sized(1, Buffer.from(protocol))))));
const versions = (...list: number[]): Buffer => extension(43, sized(1, bytes(...list.map(u16))));

interface Parts {
  legacy?: number;
  sessionId?: Buffer;
  ciphers?: Buffer;
  compression?: Buffer;
  extensions?: Buffer | null;
}

function message(parts: Parts = {}): Buffer {
  const body = bytes(
    u16(parts.legacy ?? 0x0303),
    Buffer.alloc(32, 7),
    sized(1, parts.sessionId ?? Buffer.alloc(32)),
    sized(2, parts.ciphers ?? bytes(0x13, 0x01)),
    sized(1, parts.compression ?? bytes(0)),
    parts.extensions === null ? [] : sized(2, parts.extensions ?? Buffer.alloc(0)),
  );
  return bytes(1, 0, u16(body.length), body);
}

/** The message in records of at most `size` bytes. */
function records(content: Uint8Array, size = 16384): Buffer {
  const all: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    all.push(bytes(22, 3, 1, sized(2, content.subarray(at, at + size))));
  }
  return Buffer.concat(all);
}

const parse = (input: Buffer): ClientHello => parseClientHello(input, input.length);
const hello = (...extensions: Buffer[]): Buffer => records(message({ extensions: bytes(...extensions) }));

/** What Node's own client sends first. */
function realHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer) {
        resolve(chunk);
      },
    });
    connect({ ...options, socket: wire });
  });
}

describe('parseClientHello', () => {
  test('reads what OpenSSL writes', async () => {
    const input = await realHello({ servername: 'Demo.Test', ALPNProtocols: ['h2', 'http/1.1'] });
    expect(parse(input)).toEqual({
      state: 'hello',
      serverName: 'demo.test',
      alpn: ['h2', 'http/1.1'],
      versions: [0x0304, 0x0303],
      ticketKey: null,
    });
    const old = await realHello({ maxVersion: 'TLSv1.2', ciphers: 'DEFAULT@SECLEVEL=0' });
    expect(parse(old)).toEqual({ state: 'hello', serverName: null, alpn: [], versions: [0x0303], ticketKey: null });
  });

  const names: [what: string, extensions: Buffer[], serverName: string | null][] = [
    ['no extension', [], null],
    ['a host name', [sni(name('demo.test'))], 'demo.test'],
    ['upper case', [sni(name('DEMO.Test'))], 'demo.test'],
    ['a trailing dot', [sni(name('demo.test.'))], 'demo.test'],
    ['an underscore', [sni(name('_a.demo_1.test'))], '_a.demo_1.test'],
    ['IPv4', [sni(name('127.0.0.1'))], null],
    ['IPv6', [sni(name('::1'))], null],
    ['two dots', [sni(name('a..test'))], null],
    ['a dot only', [sni(name('.'))], null],
    ['a space', [sni(name('a b.test'))], null],
    ['NUL', [sni(name('demo.test\0.evil'))], null],
    ['bytes above ASCII', [sni(name('d\xe9mo.test'))], null],
    ['a label of 63', [sni(name(`${'a'.repeat(63)}.test`))], `${'a'.repeat(63)}.test`],
    ['a label of 64', [sni(name(`${'a'.repeat(64)}.test`))], null],
    ['255 characters', [sni(name(`${'a.'.repeat(127)}a`))], null],
    ['extensions before it', [extension(0x0a0a, Buffer.alloc(0)), alpn('h2'), sni(name('demo.test'))], 'demo.test'],
  ];
  test.each(names)('server name: %s', (_, extensions, serverName) => {
    expect(parse(hello(...extensions))).toMatchObject({ state: 'hello', serverName });
  });

  test('ignores GREASE versions (RFC 8701)', () => {
    expect(parse(hello(versions(0x3a3a, 0x0304, 0x0303)))).toMatchObject({ versions: [0x0304, 0x0303] });
    expect(parse(hello(versions(0x3a4a)))).toMatchObject({ versions: [0x3a4a] });
  });

  test("tells a ticket's key (RFC 5077 4), TLS 1.3's before TLS 1.2's", () => {
    const ticket = (fill: number) => Buffer.alloc(32, fill);
    const name = (fill: number) => Buffer.alloc(16, fill).toString('hex');
    const old = extension(35, ticket(1));
    const identities = sized(2, bytes(sized(2, ticket(2)), Buffer.alloc(4)));
    const preShared = extension(41, bytes(identities, sized(2, sized(1, Buffer.alloc(32)))));
    expect(parse(hello(old))).toMatchObject({ ticketKey: name(1) });
    expect(parse(hello(old, preShared))).toMatchObject({ ticketKey: name(2) });
    expect(parse(hello(extension(35, Buffer.alloc(0))))).toMatchObject({ ticketKey: null });
    expect(parse(hello(extension(41, Buffer.alloc(0))))).toMatchObject({ ticketKey: null });
    expect(parse(hello(extension(41, bytes(u16(100), u16(100), Buffer.alloc(3)))))).toMatchObject({ ticketKey: null });
  });

  test('takes legacy_version without supported_versions, never above TLS 1.2 (RFC 8446 4.2.1)', () => {
    expect(parse(records(message({ legacy: 0x0301, extensions: null })))).toMatchObject({ versions: [0x0301] });
    expect(parse(records(message({ legacy: 0x0304 })))).toMatchObject({ versions: [0x0303] });
  });

  const malformed: [what: string, input: Buffer, reason: string][] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'not TLS'],
    ['SSL 2', bytes(0x80, 0x2e, 1, 3, 1), 'not TLS'],
    ['another record version', bytes(22, 2), 'not TLS'],
    ['an alert', bytes(21, 3, 3, 0, 2, 1, 0), 'not TLS'],
    ['an empty record', bytes(22, 3, 1, 0, 0), 'record length'],
    ['a record above 2^14', bytes(22, 3, 1, 0x40, 1), 'record length'],
    ['a ServerHello', bytes(22, 3, 1, 0, 4, 2, 0, 0, 0), 'not a ClientHello'],
    ['an alert between records', bytes(records(message(), 20).subarray(0, 25), 21), 'not a handshake record'],
    ['bytes after it in its record', records(bytes(message(), 1)), 'bytes after the ClientHello'],
    ['an empty message', records(bytes(1, 0, 0, 0)), 'malformed ClientHello'],
    ['a session id of 33', records(message({ sessionId: Buffer.alloc(33) })), 'malformed session id'],
    ['no cipher suites', records(message({ ciphers: Buffer.alloc(0) })), 'malformed cipher suites'],
    ['half a cipher suite', records(message({ ciphers: Buffer.alloc(3) })), 'malformed cipher suites'],
    ['no compression', records(message({ compression: Buffer.alloc(0) })), 'malformed compression methods'],
    ['half an extension', hello(bytes(0, 0, 0)), 'malformed extensions'],
    ['an extension past the end', hello(bytes(0, 5, 0, 9, 1)), 'malformed extensions'],
    ['two server name extensions', hello(sni(name('a.test')), sni(name('b.test'))), 'repeated extension'],
    ['two names', hello(sni(name('a.test'), name('b.test'))), 'malformed server name'],
    ['another name type', hello(sni(name('a.test', 1))), 'malformed server name'],
    ['an empty name', hello(sni(name(''))), 'malformed server name'],
    ['an empty name list', hello(sni()), 'malformed server name'],
    ['an empty server name extension', hello(extension(0, Buffer.alloc(0))), 'malformed server name'],
    ['a name past the end', hello(extension(0, bytes(0, 4, 0, 0, 9, 97))), 'malformed server name'],
    ['an empty protocol', hello(alpn('h2', '')), 'malformed ALPN'],
    ['no protocol', hello(alpn()), 'malformed ALPN'],
    ['a protocol past the end', hello(extension(16, bytes(0, 3, 5, 97, 97))), 'malformed ALPN'],
    ['no versions', hello(versions()), 'malformed supported versions'],
    ['half a version', hello(extension(43, bytes(3, 3, 4, 3))), 'malformed supported versions'],
  ];
  test.each(malformed)('refuses %s', (_, input, reason) => {
    expect(parse(input)).toEqual({ state: 'refused', reason });
  });

  test('refuses what grows too large: the message, and the records around it', () => {
    const large = bytes(1, 0, u16(16381), Buffer.alloc(16381));
    expect(parse(records(large.subarray(0, 4)))).toEqual({ state: 'refused', reason: 'ClientHello too large' });
    const most = message({ extensions: extension(21, Buffer.alloc(16384 - 4 - 2 - 32 - 33 - 4 - 2 - 2 - 4)) });
    expect(most.length).toBe(16384);
    expect(parse(records(most))).toMatchObject({ state: 'hello' });
    expect(parse(records(most, 65))).toMatchObject({ state: 'hello' });
    expect(parse(records(most, 63))).toEqual({ state: 'refused', reason: 'too many records' });
    const largest = records(most, 64);
    expect(largest.length).toBe(maxClientHello);
    expect(parseClientHello(largest, maxClientHello - 1)).toEqual({ state: 'incomplete' });
    expect(parse(largest)).toMatchObject({ state: 'hello' });
  });

  test('says incomplete of every prefix, however the records are cut, and then the same', () => {
    const content = message({ extensions: bytes(sni(name('demo.test')), alpn('http/1.1'), versions(0x0304)) });
    const whole = parse(records(content));
    expect(whole).toEqual({
      state: 'hello',
      serverName: 'demo.test',
      alpn: ['http/1.1'],
      versions: [0x0304],
      ticketKey: null,
    });
    for (const size of [1, 2, 3, 5, 50, 16384]) {
      const input = records(content, size);
      for (let end = 0; end < input.length; end++)
        expect(parseClientHello(input, end)).toEqual({ state: 'incomplete' });
      expect(parse(input)).toEqual(whole);
      // What follows it (early data) is not looked at.
      expect(parse(bytes(input, 20, 3, 3, 0, 1, 1))).toEqual(whole);
    }
  });

  test('never throws on faulty input, and finds the same at each split', () => {
    const random = seeded(1);
    const inputs = [
      hello(sni(name('demo.test')), alpn('h2', 'http/1.1'), versions(0x0304, 0x0303)),
      records(message({ extensions: bytes(sni(name('demo.test')), alpn('h2')) }), 17),
    ];
    const seen = new Set<string>();
    for (let round = 0; round < 20_000; round++) {
      const input = mutate(inputs[round % 2], random);
      const result = parse(input);
      seen.add(result.state);
      const early = parseClientHello(input, Math.floor(random() * input.length));
      if (early.state !== 'incomplete') expect(early).toEqual(result);
      // Nothing past `end` is read: the same bytes with others behind them.
      const padded = Buffer.concat([input, Buffer.alloc(64, 0xff)]);
      expect(parseClientHello(padded, input.length)).toEqual(result);
    }
    expect([...seen].sort()).toEqual(['hello', 'incomplete', 'refused']);
  });
});
