/** IPv6 addresses as text and as bytes. */

import { isIPv4, isIPv6 } from 'node:net';

/** `::ffff:1.2.3.4`, as a dual-stack socket reports IPv4 peers, is `1.2.3.4`; others stay as they are. */
export function unmapped(address: string): string {
  if (address.length > 7 && /^::ffff:/i.test(address)) {
    const rest = address.slice(7);
    if (isIPv4(rest)) return rest;
    const hex = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(rest);
    if (hex !== null) {
      const [high, low] = [Number.parseInt(hex[1], 16), Number.parseInt(hex[2], 16)];
      return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
    }
  }
  return address;
}

/** The one form of an address: IPv4, or IPv6 as RFC 5952 writes it; null for what is none. A zone means nothing elsewhere. */
export function normalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  return isIPv6(text) && !text.includes('%') ? unmapped(ipv6Text(ipBytes(text)!, 0)) : null;
}

/** 4 or 16 bytes; null when it is no address. A zone (`%eth0`) is dropped. */
export function ipBytes(address: string): Buffer | null {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address)) return null;
  const bytes = Buffer.alloc(16);
  const [head, tail] = address.replace(/%.*$/, '').split('::');
  bytes.set(groups(head), 0);
  if (tail !== undefined) {
    const end = groups(tail);
    bytes.set(end, 16 - end.length);
  }
  return bytes;
}

/** Bytes of colon-separated groups, the last of which may be an IPv4 address. */
function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** The text of RFC 5952 4 (lower case, longest run of zeros shortened), in hexadecimal groups only. */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  const values: string[] = [];
  for (let i = at; i < at + 16; i += 2) values.push(((bytes[i] << 8) | bytes[i + 1]).toString(16));
  let start = 0;
  let length = 1; // a single zero is not shortened
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && values[to] === '0') to++;
    if (to - from > length) {
      start = from;
      length = to - from;
    }
  }
  if (length === 1) return values.join(':');
  return `${values.slice(0, start).join(':')}::${values.slice(start + length).join(':')}`;
}

export const ipv4Text = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
