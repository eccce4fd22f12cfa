import { createHmac, randomBytes } from 'node:crypto';
import { beginning, decode, encode, isInteger, type Value } from './msgpack.ts';

/**
 * A token of Fly's public format: msgpack `[nonce, location, caveats, tail]`. The tail is the end of a chain of
 * HMAC-SHA256: whoever has a token can add a caveat, nobody can take one away.
 */
export interface Macaroon extends Head {
  caveats: Caveat[];
  /** 32 bytes. The secret part: whoever knows it has the token. */
  tail: Uint8Array;
}

/** What tells whether a token is one of ours, before anything else of it is read. */
export interface Head {
  nonce: Nonce;
  /** Who issued it. Not signed: a hint where to look for the key. */
  location: string;
}

export interface Nonce {
  /** Names the root key; the ticket, in a discharge. */
  kid: Uint8Array;
  /** 16 bytes, the token's own. */
  rnd: Uint8Array;
  /** Absent in the older form of two fields, which is signed as such. True: closed, no caveat can be added. */
  proof?: boolean;
}

export interface Caveat {
  type: number | bigint;
  body: Value;
}

export const keyLength = 32;
const rndLength = 16;

/** The token in these bytes; undefined when they are none, or not canonical. Nothing is verified. */
export function parseMacaroon(bytes: Uint8Array): Macaroon | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [location, tail] = [value[1], value[3]];
  const nonce = nonceOf(value[0]);
  const caveats = caveatsOf(value[2]);
  if (nonce === undefined || typeof location !== 'string' || caveats === undefined) return undefined;
  if (!(tail instanceof Uint8Array) || tail.length !== keyLength) return undefined;
  return { nonce, location, caveats, tail };
}

/** How the token in these bytes begins; undefined when they are none. The rest may be anything. */
export function headOf(bytes: Uint8Array): Head | undefined {
  const [first, location] = beginning(bytes, 4, 2) ?? [];
  const nonce = first === undefined ? undefined : nonceOf(first);
  return nonce === undefined || typeof location !== 'string' ? undefined : { nonce, location };
}

function nonceOf(value: Value): Nonce | undefined {
  if (!Array.isArray(value)) return undefined;
  const [kid, rnd, proof] = value;
  if (!(kid instanceof Uint8Array) || !(rnd instanceof Uint8Array) || rnd.length !== rndLength) return undefined;
  if (value.length === 2) return { kid, rnd };
  return value.length === 3 && typeof proof === 'boolean' ? { kid, rnd, proof } : undefined;
}

/** A flat array: type, body, type, body. */
export function caveatsOf(value: Value | undefined): Caveat[] | undefined {
  if (!Array.isArray(value) || value.length % 2 !== 0) return undefined;
  const caveats: Caveat[] = [];
  for (let i = 0; i < value.length; i += 2) {
    const type = value[i];
    if (!isInteger(type) || type < 0) return undefined;
    caveats.push({ type, body: value[i + 1] });
  }
  return caveats;
}

export function packMacaroon({ nonce, location, caveats, tail }: Macaroon): Buffer {
  return encode([fieldsOf(nonce), location, caveats.flatMap(({ type, body }) => [type, body]), tail]);
}

const fieldsOf = ({ kid, rnd, proof }: Nonce): Value[] => (proof === undefined ? [kid, rnd] : [kid, rnd, proof]);

/** What tells tokens apart, the same in all that were made from one by adding caveats: 32 hex digits. */
export const nonceText = ({ nonce }: Head): string => Buffer.from(nonce.rnd).toString('hex');

/** A new token, signed with a root key. */
export function mint(
  kid: Uint8Array,
  key: Uint8Array,
  location: string,
  rnd: Uint8Array = randomBytes(rndLength),
): Macaroon {
  const nonce = { kid, rnd, proof: false };
  return { nonce, location, caveats: [], tail: hmac(key, encode(fieldsOf(nonce))) };
}

/** The token with further caveats. Needs no key. A proof's chain is closed, it can't have more. */
export function attenuate(macaroon: Macaroon, ...added: Caveat[]): Macaroon {
  if (macaroon.nonce.proof) throw new TypeError('a proof takes no more caveats');
  return { ...macaroon, caveats: [...macaroon.caveats, ...added], tail: added.reduce(link, macaroon.tail) };
}

const link = (mac: Uint8Array, { type, body }: Caveat): Uint8Array => hmac(mac, encode([type, body]));

/** The MAC before each caveat, and the tail that a token with this nonce and these caveats has. */
export function chain({ nonce, caveats }: Macaroon, key: Uint8Array): { before: Uint8Array[]; tail: Uint8Array } {
  const before: Uint8Array[] = [];
  let mac: Uint8Array = hmac(key, encode(fieldsOf(nonce)));
  for (const caveat of caveats) {
    before.push(mac);
    mac = link(mac, caveat);
  }
  return { before, tail: nonce.proof ? finalize(mac) : mac };
}

const finalize = (mac: Uint8Array): Uint8Array => hmac('proof-signature-finalization', mac);

const hmac = (key: Uint8Array | string, data: Uint8Array): Uint8Array =>
  createHmac('sha256', key).update(data).digest();
