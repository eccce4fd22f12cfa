import { describe, expect, test } from 'vitest';
import { TrustedPeers } from '../../src/base/trusted.ts';

describe('TrustedPeers', () => {
  const peers = new TrustedPeers(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::7', '::ffff:172.16.0.0/108']);

  test.each([
    ['10.0.0.1', true],
    ['10.255.255.255', true],
    ['11.0.0.1', false],
    ['::ffff:10.0.0.1', true],
    ['::ffff:11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['fd12::1', true],
    ['fd12::1%eth0', true],
    ['fe00::1', false],
    ['2001:db8::7', true],
    ['2001:db8::8', false],
    ['172.31.0.1', true],
    ['172.32.0.1', false],
    ['', false],
    ['localhost', false],
  ])('%s: %s, the second time too', (address, trusted) => {
    expect(peers.has(address)).toBe(trusted);
    expect(peers.has(address)).toBe(trusted);
  });

  test('trusts nobody without a list, and everybody when told so', () => {
    expect(new TrustedPeers([]).has('127.0.0.1')).toBe(false);
    const all = new TrustedPeers(['0.0.0.0/0', '::/0']);
    expect([all.has('8.8.8.8'), all.has('2001:db8::1')]).toEqual([true, true]);
  });

  test('stays right when more strangers come than are remembered', () => {
    for (let i = 0; i < 10_000; i++) expect(peers.has(`11.0.${i >> 8}.${i & 255}`)).toBe(false);
    expect(peers.has('10.0.0.1')).toBe(true);
  });
});
