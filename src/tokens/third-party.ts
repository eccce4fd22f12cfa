import { createDecipheriv } from 'node:crypto';
import { type Caveat, keyLength } from './macaroon.ts';

/** A caveat that another service answers for: it holds when a discharge comes along, signed with the sealed key. */
export interface ThirdParty {
  location: string;
  /** The discharge's key, sealed under the MAC before this caveat. */
  verifierKey: Uint8Array;
  /** The same key, sealed for the third party; names the discharge. */
  ticket: Uint8Array;
}

export function thirdPartyOf({ body }: Caveat): ThirdParty | undefined {
  if (!Array.isArray(body) || body.length !== 3) return undefined;
  const [location, verifierKey, ticket] = body;
  if (typeof location !== 'string' || !(verifierKey instanceof Uint8Array)) return undefined;
  return ticket instanceof Uint8Array ? { location, verifierKey, ticket } : undefined;
}

const nonceLength = 12;
const tagLength = 16;
const algorithm = 'chacha20-poly1305';

/** The 32 bytes' key in a box: nonce, ciphertext, tag (RFC 8439 2.8). Undefined when it was sealed under another key. */
export function unseal(key: Uint8Array, box: Uint8Array): Uint8Array | undefined {
  if (box.length !== nonceLength + keyLength + tagLength) return undefined;
  const opener = createDecipheriv(algorithm, key, box.subarray(0, nonceLength), { authTagLength: tagLength });
  opener.setAuthTag(box.subarray(-tagLength));
  try {
    return Buffer.concat([opener.update(box.subarray(nonceLength, -tagLength)), opener.final()]);
  } catch {
    return undefined;
  }
}
