import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { encode, type Value } from '../../src/tokens/msgpack.ts';

/**
 * Tokens put together byte by byte, independently of src: what is wrong with one can be wrong with nothing else,
 * its signature included.
 */
export interface RawToken {
  /** All in msgpack. */
  nonce: Uint8Array;
  location: Uint8Array;
  /** Type and body of each. */
  caveats: [Uint8Array, Uint8Array][];
  key: Uint8Array;
  proof?: boolean;
}

export const hmac = (key: Uint8Array | string, data: Uint8Array): Buffer =>
  createHmac('sha256', key).update(data).digest();

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The MACs before each caveat and at the end. */
export function macs({ nonce, caveats, key }: RawToken): Buffer[] {
  const all = [hmac(key, nonce)];
  for (const pair of caveats) all.push(hmac(all.at(-1)!, Buffer.concat([Buffer.of(0x92), ...pair])));
  return all;
}

export function rawToken(token: RawToken): Buffer {
  const last = macs(token).at(-1)!;
  const tail = token.proof ? hmac('proof-signature-finalization', last) : last;
  const { nonce, location, caveats } = token;
  const length = caveats.length * 2;
  const items = length < 16 ? Buffer.of(0x90 | length) : Buffer.of(0xdc, length >> 8, length & 0xff);
  return Buffer.concat([Buffer.of(0x94), nonce, location, items, ...caveats.flat(), Buffer.of(0xc4, 32), tail]);
}

export const fm2 = (bytes: Uint8Array): string => `fm2_${Buffer.from(bytes).toString('base64')}`;

export const caveat = (type: Value, body: Value): [Buffer, Buffer] => [encode(type), encode(body)];

/** RFC 8439's AEAD with the nonce in front. */
export function seal(key: Uint8Array, text: Uint8Array, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
}

/** What was sealed; throws when the key is another. */
export function open(key: Uint8Array, box: Uint8Array): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, box.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(box.subarray(-16));
  return Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()]);
}
