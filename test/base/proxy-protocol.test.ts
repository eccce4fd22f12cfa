import { describe, expect, test } from 'vitest';
import { type Endpoint, encodeProxyHeader, type ProxyHeader, parseProxyHeader } from '../../src/base/proxy-protocol.ts';
import { mutate } from '../helpers/mutate.ts';
import { seeded } from '../helpers/random.ts';

const signature = '0d0a0d0a000d0a515549540a';
const v2 = (hex: string): Buffer => Buffer.from(signature + hex.replaceAll(' ', ''), 'hex');
const parse = (input: Buffer | string): ProxyHeader => {
  const buf = Buffer.from(input);
  return parseProxyHeader(buf, buf.length);
};
const end = (address: string, port: number): Endpoint => ({ address, port });

describe('parseProxyHeader', () => {
  const accepted: [what: string, input: Buffer | string, source: Endpoint | null, destination: Endpoint | null][] = [
    ['TCP4', 'PROXY TCP4 192.168.0.1 10.0.0.11 56324 443\r\n', end('192.168.0.1', 56324), end('10.0.0.11', 443)],
    ['TCP6', 'PROXY TCP6 2001:db8::1 ::1 0 65535\r\n', end('2001:db8::1', 0), end('::1', 65535)],
    ["nginx' mapped", 'PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n', end('::ffff:1.2.3.4', 1), end('::1', 2)],
    ['UNKNOWN', 'PROXY UNKNOWN\r\n', null, null],
    ['UNKNOWN and whatever', 'PROXY UNKNOWN ffff::1 what ever\r\n', null, null],
    ['2: TCP over IPv4', v2('21 11 000c 01020304 05060708 1f90 01bb'), end('1.2.3.4', 8080), end('5.6.7.8', 443)],
    [
      '2: TCP over IPv6',
      v2('21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 0002'),
      end('2001:db8::1', 1),
      end('::1', 2),
    ],
    ['2: TLVs', v2('21 11 0010 01020304 05060708 1f90 01bb 04000100'), end('1.2.3.4', 8080), end('5.6.7.8', 443)],
    ['2: LOCAL', v2('20 00 0000'), null, null],
    ['2: LOCAL, its family ignored', v2('20 ff 0003 aabbcc'), null, null],
    ['2: UNSPEC', v2('21 00 0000'), null, null],
    ['2: UDP', v2('21 12 000c 01020304 05060708 1f90 01bb'), null, null],
    ['2: UNIX', v2(`21 31 00d8 ${'00'.repeat(216)}`), null, null],
  ];
  test.each(accepted)('%s: whole, then what follows; incomplete before', (_, input, source, destination) => {
    const buf = Buffer.from(input);
    const header = { state: 'header', length: buf.length, source, destination };
    expect(parse(buf)).toEqual(header);
    expect(parse(Buffer.concat([buf, Buffer.from('GET / HTTP/1.1\r\n')]))).toEqual(header);
    for (let cut = 0; cut < buf.length; cut++) expect(parseProxyHeader(buf, cut)).toEqual({ state: 'incomplete' });
  });

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\n'],
    ['POST', 'POST / HTTP/1.1\r\n'],
    ['TLS', '\x16\x03\x01'],
    ['PROX and another', 'PROXI'],
    ['lower case', 'proxy TCP4'],
    ['half a signature', '\r\n\r\n\0\r\nQUIX'],
    ['an empty line', '\r\n\r\nGET'],
  ])('none: %s', (_, input) => expect(parse(input)).toEqual({ state: 'none' }));

  test.each([
    ['no space', 'PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'malformed line'],
    ['two spaces', 'PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n', 'malformed line'],
    ['a space at the end', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n', 'malformed line'],
    ['a tab', 'PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n', 'malformed line'],
    ['no ports', 'PROXY TCP4 1.2.3.4 5.6.7.8\r\n', 'malformed line'],
    ['nothing', 'PROXY\r\n', 'malformed line'],
    ['another protocol', 'PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n', 'unknown protocol'],
    ['lower case', 'PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n', 'unknown protocol'],
    ['UNKNOWN with more', 'PROXY UNKNOWNS\r\n', 'malformed line'],
    ['the other family', 'PROXY TCP4 ::1 ::1 1 2\r\n', 'malformed address'],
    ['families mixed', 'PROXY TCP6 ::1 1.2.3.4 1 2\r\n', 'malformed address'],
    ['a leading zero', 'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n', 'malformed address'],
    ['three numbers', 'PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n', 'malformed address'],
    ['256', 'PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n', 'malformed address'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n', 'malformed address'],
    ['two double colons', 'PROXY TCP6 1::2::3 ::1 1 2\r\n', 'malformed address'],
    ['a port of 65536', 'PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n', 'malformed port'],
    ['a port with a leading zero', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 02\r\n', 'malformed port'],
    ['a signed port', 'PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n', 'malformed port'],
    ['LF alone', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n', 'LF without CR'],
    ['CR alone', 'PROXY UNKNOWN\rx\r\n', 'CR without LF'],
    ['106 bytes and CR', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'line too long'],
    ['107 bytes without CRLF', `PROXY UNKNOWN ${'x'.repeat(93)}`, 'line too long'],
    ['2: version 1', v2('11 11 000c'), 'unknown version'],
    ['2: version 3', v2('31'), 'unknown version'],
    ['2: a command of 2', v2('22'), 'unknown command'],
    ['2: family 4', v2('21 41'), 'unknown family'],
    ['2: transport 3', v2('21 13'), 'unknown family'],
    ['2: too short for IPv4', v2('21 11 000b'), 'address block too short'],
    ['2: too short for IPv6', v2('21 21 000c'), 'address block too short'],
    ['2: too long', v2('21 11 ffff'), 'header too long'],
    ['2: a body of 4,097 bytes', v2('21 11 1001'), 'header too long'],
    ['2: LOCAL, a body of 4,097 bytes', v2('20 00 1001'), 'header too long'],
  ])('refuses %s', (_, input, reason) => expect(parse(input)).toEqual({ state: 'refused', reason }));

  test('2.2: takes the commands and families that there are, and refuses every other value', () => {
    const known = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32];
    const block = Buffer.alloc(216);
    for (let command = 0; command < 16; command++) {
      for (let family = 0; family < 256; family++) {
        const head = Buffer.from([0x20 | command, family, 0, block.length]);
        const taken = command === 0 || (command === 1 && known.includes(family));
        const input = Buffer.concat([v2('').subarray(0, 12), head, block]);
        expect([command, family, parse(input).state]).toEqual([command, family, taken ? 'header' : 'refused']);
      }
    }
  });

  test.each([4080, 4081, 4096])('2.2: takes a body of %i bytes', (length) => {
    const head = Buffer.from([0x21, 0x11, length >> 8, length & 255]);
    const input = Buffer.concat([v2('').subarray(0, 12), head, Buffer.alloc(length, 1)]);
    expect(parse(input)).toMatchObject({ state: 'header', length: 16 + length, source: end('1.1.1.1', 257) });
  });

  test('takes the longest line of the specification', () => {
    const address = Array(8).fill('ffff').join(':');
    const line = `PROXY UNKNOWN ${address} ${address} 65535 65535\r\n`;
    expect(line.length).toBe(107);
    expect(parse(line)).toMatchObject({ state: 'header', length: 107 });
  });

  test('never throws on faulty input, and finds the same at each split', () => {
    const random = seeded(2);
    const seen = new Set<string>();
    for (let round = 0; round < 20_000; round++) {
      const input = mutate(Buffer.from(accepted[round % accepted.length][1]), random);
      const result = parse(input);
      seen.add(result.state);
      const early = parseProxyHeader(input, Math.floor(random() * input.length));
      if (early.state !== 'incomplete') expect(early).toEqual(result);
      const padded = Buffer.concat([input, Buffer.alloc(64, 0xff)]);
      expect(parseProxyHeader(padded, input.length)).toEqual(result);
    }
    expect([...seen].sort()).toEqual(['header', 'incomplete', 'none', 'refused']);
  });
});

describe('encodeProxyHeader', () => {
  const ends: [from: string, to: string, family: 'TCP4' | 'TCP6', written: string][] = [
    ['1.2.3.4', '5.6.7.8', 'TCP4', '1.2.3.4 5.6.7.8'],
    ['::ffff:1.2.3.4', '::ffff:5.6.7.8', 'TCP4', '1.2.3.4 5.6.7.8'],
    ['2001:DB8:0:0:1::1', '::1', 'TCP6', '2001:db8::1:0:0:1 ::1'],
    ['1.2.3.4', '2001:db8::', 'TCP6', '::ffff:102:304 2001:db8::'],
    ['::', '5.6.7.8', 'TCP6', ':: ::ffff:506:708'],
    ['fe80::1%eth0', '::1', 'TCP6', 'fe80::1 ::1'],
    ['1:2:3:4:5:6:7:8', '1:0:3:4:5:6:7:8', 'TCP6', '1:2:3:4:5:6:7:8 1:0:3:4:5:6:7:8'],
  ];
  test.each(ends)('writes what the parser reads: %s to %s', (from, to, family, written) => {
    const [source, destination] = written.split(' ');
    const v1 = encodeProxyHeader(1, end(from, 1), end(to, 65535));
    expect(v1.toString()).toBe(`PROXY ${family} ${written} 1 65535\r\n`);
    for (const header of [v1, encodeProxyHeader(2, end(from, 1), end(to, 65535))]) {
      expect(parse(header)).toEqual({
        state: 'header',
        length: header.length,
        source: end(source, 1),
        destination: end(destination, 65535),
      });
    }
  });

  test('writes version 2 to the byte', () => {
    expect(encodeProxyHeader(2, end('1.2.3.4', 8080), end('5.6.7.8', 443))).toEqual(
      v2('21 11 000c 01020304 05060708 1f90 01bb'),
    );
  });

  test.each([
    [null, end('1.2.3.4', 1)],
    [end('1.2.3.4', 1), null],
    [end('/run/sock', 0), end('1.2.3.4', 1)],
  ])('writes UNKNOWN and LOCAL without two addresses', (source, destination) => {
    expect(encodeProxyHeader(1, source, destination).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(encodeProxyHeader(2, source, destination)).toEqual(v2('20 00 0000'));
  });
});
