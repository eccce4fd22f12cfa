/**
 * ECDSA on P-256 with SHA-256 and the nonce of RFC 6979, so that every process that has the key makes the same signature.
 * OpenSSL has it since 3.2, but node:crypto gives no way to ask for it; its curve arithmetic is used all the same.
 */

import { createECDH, createHash, createHmac, type KeyObject } from 'node:crypto';
import { der, sequence } from './der.ts';

/** The order of the group. */
const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const toInteger = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const toBytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

/** The DER of both numbers (RFC 3279 2.2.3). */
export function signDeterministically(message: Uint8Array, key: KeyObject): Buffer {
  const d = toInteger(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'));
  const z = toInteger(createHash('sha256').update(message).digest()) % n;
  for (const k of nonces(d, z)) {
    const ecdh = createECDH('prime256v1');
    ecdh.setPrivateKey(toBytes(k));
    const r = toInteger(ecdh.getPublicKey().subarray(1, 33)) % n;
    const s = (power(k, n - 2n) * (z + r * d)) % n;
    if (r !== 0n && s !== 0n) return sequence(unsigned(r), unsigned(s));
  }
  throw new Error('no nonce');
}

/** RFC 6979 3.2. */
function* nonces(d: bigint, z: bigint): Generator<bigint> {
  let value = Buffer.alloc(32, 1);
  let key = Buffer.alloc(32);
  const mac = (...parts: Uint8Array[]): Buffer<ArrayBuffer> => {
    const hmac = createHmac('sha256', key);
    for (const part of parts) hmac.update(part);
    return Buffer.from(hmac.digest());
  };
  for (const separator of [0, 1]) {
    key = mac(value, Buffer.of(separator), toBytes(d), toBytes(z));
    value = mac(value);
  }
  for (;;) {
    value = mac(value);
    const k = toInteger(value);
    if (k > 0n && k < n) yield k;
    key = mac(value, Buffer.of(0));
    value = mac(value);
  }
}

/** Modulo n. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let left = exponent, square = base; left > 0n; left >>= 1n, square = (square * square) % n) {
    if (left & 1n) result = (result * square) % n;
  }
  return result;
}

/** INTEGER: without needless zeros, with one where the first bit would be a sign. */
function unsigned(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return bytes[0]! < 0x80 ? der(0x02, bytes) : der(0x02, Buffer.of(0), bytes);
}
