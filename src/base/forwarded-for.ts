import { decimal, members } from './ascii.ts';
import { normalAddress } from './ip.ts';
import type { TrustedPeers } from './trusted.ts';

/**
 * `X-Forwarded-For`, from its right end: each proxy names there who spoke to it. The first address that is no trusted
 * proxy is the client; what stands left of it is the client's own story. Where a member is no address, nobody vouches for
 * what stands left of it: an app that skipped it would believe a stranger, so it ends there.
 */
export function readChain(
  list: string,
  peer: string,
  trusted: Pick<TrustedPeers, 'has'>,
): { client: string; forwardedFor: string } {
  let client = peer;
  let found = false;
  let kept = '';
  for (const member of members(list).reverse()) {
    if (member === '') continue;
    const address = addressOf(member);
    if (address === null) break;
    kept = `${member}, ${kept}`;
    if (found) continue;
    client = address;
    found = !trusted.has(address);
  }
  return { client, forwardedFor: kept };
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`: the address, else null. */
function addressOf(member: string): string | null {
  const [, bracketed, v4, port] = /^(?:\[([^\]]*)\]|(\d+\.[\d.]*))(?::(.*))?$/.exec(member) ?? [];
  if (port !== undefined && decimal(port, 65_535) < 0) return null;
  if (v4 !== undefined) return normalAddress(v4);
  if (bracketed === undefined) return normalAddress(member);
  return bracketed.includes(':') ? normalAddress(bracketed) : null;
}
