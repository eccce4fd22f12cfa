import { trimOws } from '../base/ascii.ts';
import { type Head, headOf, type Macaroon, packMacaroon, parseMacaroon } from './macaroon.ts';

/** Longer headers are refused unread: it is as much as Node takes for a whole head. */
const longest = 16_384;
/** A token and its discharges are a few. */
const most = 32;

export type Tokens = { ok: true; tokens: Macaroon[] } | { ok: false; reason: string };

/** By how they begin: why none of the tokens need be read, or null. */
export type Pointless = (heads: Head[]) => string | null;

/** Any case is the same (RFC 9110 11.1); without the flag `u`, that means A to Z alone. */
const schemes = /^(?:(?:bearer|flyv1) +)*/i;

/** Without its schemes: a client that has `FlyV1 fm2_…` for its token often sends `Bearer FlyV1 fm2_…`, or no scheme at all. */
export const withoutSchemes = (text: string): string => text.slice(schemes.exec(text)![0].length);

/**
 * The tokens of an `Authorization` header: `Bearer` or `FlyV1`, both or none of them, then `fm2_…` once or several times with commas.
 * What can't be read is passed over: the others may still allow.
 * @param pointless reading a token takes a hundred times as long as reading its beginning.
 */
export function parseAuthorization(header: string | undefined, pointless?: Pointless): Tokens {
  if (header === undefined) return { ok: false, reason: 'no Authorization header' };
  if (header.length > longest) return { ok: false, reason: `Authorization header of more than ${longest} bytes` };
  const list = withoutSchemes(header);
  // The blanks around a field's value are none of it (RFC 9110 5.5): what still has some was put together by other rules.
  if (list === '' || list !== trimOws(list)) return { ok: false, reason: 'neither Bearer nor FlyV1, with a token' };
  return parseTokens(list, pointless);
}

/** The tokens of a list with commas, and blanks around them (RFC 9110 5.6.1). */
export function parseTokens(list: string, pointless: Pointless = () => null): Tokens {
  const items = list.split(',', most + 1).map(trimOws);
  if (items.length > most) return { ok: false, reason: `more than ${most} tokens` };
  const texts = items.map(bytesOf).filter((bytes) => bytes !== undefined);
  const heads = texts.map(headOf).filter((head) => head !== undefined);
  const reason = heads.length === 0 ? 'no readable token' : pointless(heads);
  if (reason !== null) return { ok: false, reason };
  const tokens = texts.map(parseMacaroon).filter((token) => token !== undefined);
  return tokens.length === 0 ? { ok: false, reason: 'no readable token' } : { ok: true, tokens };
}

const prefix = 'fm2_';

function bytesOf(text: string): Buffer | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const base64 = text.slice(prefix.length);
  const bytes = Buffer.from(base64, 'base64');
  // Buffer reads past what base64 does not have, and unused bits: only the one spelling of these bytes will do.
  return bytes.toString('base64') === base64 ? bytes : undefined;
}

/** `fm2_…` */
export const formatToken = (macaroon: Macaroon): string => prefix + packMacaroon(macaroon).toString('base64');
