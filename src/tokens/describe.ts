import { action, caveatType } from './caveats.ts';
import { type Caveat, caveatsOf, type Macaroon, nonceText } from './macaroon.ts';
import type { Value } from './msgpack.ts';
import { thirdPartyOf } from './third-party.ts';

/** A token in JSON for people, caveats as Fly's tools show them. Never the tail, nor a sealed key. */
export function describe(macaroon: Macaroon): object {
  const { nonce, location, caveats } = macaroon;
  return {
    location,
    kid: Buffer.from(nonce.kid).toString('base64'),
    nonce: nonceText(macaroon),
    proof: nonce.proof ?? false,
    caveats: caveats.map(describeCaveat),
  };
}

const names = new Map<number | bigint, string>([
  [caveatType.organization, 'Organization'],
  [caveatType.apps, 'Apps'],
  [caveatType.validityWindow, 'ValidityWindow'],
  [caveatType.thirdParty, '3P'],
  [caveatType.ifPresent, 'IfPresent'],
  [caveatType.action, 'Action'],
]);

const describeCaveat = (caveat: Caveat): object => ({
  type: names.get(caveat.type) ?? String(caveat.type),
  body: bodyOf(caveat),
});

/** A body that does not have its type's form is shown as it is. */
function bodyOf(caveat: Caveat): unknown {
  const { type, body } = caveat;
  const [first, second] = Array.isArray(body) ? body : [];
  const length = Array.isArray(body) ? body.length : -1;
  if (type === caveatType.action) return mask(body);
  if (type === caveatType.organization && length === 2) return { id: plain(first), mask: mask(second) };
  if (type === caveatType.apps && length === 1 && first instanceof Map) {
    return { apps: Object.fromEntries([...first].map(([id, bits]) => [String(id), mask(bits)])) };
  }
  if (type === caveatType.validityWindow && length === 2) {
    return { not_before: plain(first), not_after: plain(second) };
  }
  const ifs = caveatsOf(first);
  if (type === caveatType.ifPresent && length === 2 && ifs !== undefined) {
    return { ifs: ifs.map(describeCaveat), else: mask(second) };
  }
  const party = type === caveatType.thirdParty ? thirdPartyOf(caveat) : undefined;
  if (party !== undefined) return { location: party.location, ticket: plain(party.ticket) };
  return plain(body);
}

const letters = [
  ['r', action.read],
  ['w', action.write],
  ['c', action.create],
  ['d', action.delete],
  ['C', action.control],
] as const;

/** `rwcdC`; a mask with unknown bits as a number. */
function mask(value: Value): unknown {
  if (typeof value !== 'number' || (value & action.all) !== value) return plain(value);
  return letters.map(([letter, bit]) => (value & bit ? letter : '')).join('');
}

/** Bytes as base64, integers beyond 2^53 as text, maps as objects. */
function plain(value: Value): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  return value;
}
