import { SocketAddress } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ipBytes, ipv6Text, unmapped } from '../../src/base/ip.ts';
import { seeded } from '../helpers/random.ts';

describe('IPv6 text', () => {
  test.each([
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008'],
  ])('%s is %s (RFC 5952 4)', (text, hex) => {
    expect(ipBytes(text)?.toString('hex')).toBe(hex);
    expect(ipv6Text(Buffer.from(hex, 'hex'), 0)).toBe(text);
  });

  test('agrees with the C library', () => {
    const random = seeded(3);
    for (let round = 0; round < 5000; round++) {
      const bytes = Buffer.from(Array.from({ length: 16 }, () => (random() < 0.7 ? 0 : Math.floor(random() * 256))));
      bytes[0] = 0x20; // ::1.2.3.4 would be written with dots
      const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
      const { address } = new SocketAddress({ address: groups.join(':'), family: 'ipv6' });
      expect(ipv6Text(bytes, 0)).toBe(address);
      expect(ipBytes(address)).toEqual(bytes);
      expect(ipBytes(groups.join(':'))).toEqual(bytes);
    }
  });

  test('reads IPv4, dotted ends and zones, and nothing else', () => {
    expect(ipBytes('1.2.3.4')).toEqual(Buffer.from([1, 2, 3, 4]));
    expect(ipBytes('::ffff:1.2.3.4')?.toString('hex')).toBe('00000000000000000000ffff01020304');
    expect(ipBytes('fe80::1%eth0')?.toString('hex')).toBe('fe800000000000000000000000000001');
    for (const text of ['', 'localhost', '1.2.3', '1::2::3']) expect(ipBytes(text)).toBeNull();
  });
});

describe('unmapped', () => {
  test.each([
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['1.2.3.4', '1.2.3.4'],
    ['::1', '::1'],
    ['::ffff:1', '::ffff:1'],
  ])('%s is %s', (address, same) => expect(unmapped(address)).toBe(same));
});
