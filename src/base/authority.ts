import { isIPv6 } from 'node:net';
import { lower } from './ascii.ts';
import { ipBytes, ipv6Text } from './ip.ts';

/**
 * The one form in which hosts are compared, whoever wrote them: A to Z in lower case, without the dot that ends an
 * absolute name (RFC 1034 3.1), an IPv6 literal in brackets as RFC 5952 writes it. null: more than one dot at the end,
 * or no address in the brackets.
 */
export function normalHost(host: string): string | null {
  if (host.startsWith('[')) return host.endsWith(']') ? normalLiteral(host.slice(1, -1)) : null;
  const name = lower(host);
  if (!name.endsWith('.')) return name === '' ? null : name;
  return name.length === 1 || name.endsWith('..') ? null : name.slice(0, -1);
}

function normalLiteral(address: string): string | null {
  const bytes = isIPv6(address) && !address.includes('%') ? ipBytes(address) : null;
  if (bytes === null) return null;
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  // RFC 5952 5: a mapped address keeps its dots.
  return mapped ? `[::ffff:${bytes.subarray(12).join('.')}]` : `[${ipv6Text(bytes, 0)}]`;
}
