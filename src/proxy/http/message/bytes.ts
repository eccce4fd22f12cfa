/** Byte classes as lookup tables: one load decides what a byte may be. */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;
const DASH = 0x2d;

const table = (member: (byte: number) => number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => member(byte));
const among =
  (chars: string) =>
  (byte: number): boolean =>
    chars.includes(String.fromCharCode(byte));

const isAlphanumeric = among('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789');
/** Marks of a token, without `-`. */
const isTokenMark = among("!#$%&'*+.^_`|~");
const isHostMark = among("-._~!$&'()*+,;=");

/** The lower-case form of a byte: ASCII letters only. */
const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);

/** Set in `TOKEN` for marks other than `-`: names that have some may be another spelling of a known one. */
export const MARK = 0x80;

/** tchar (RFC 9110 5.6.2): its lower-case form, with `MARK` for marks; 0 for any other byte. */
export const TOKEN = table((byte) => {
  if (isTokenMark(byte)) return byte | MARK;
  return isAlphanumeric(byte) || byte === DASH ? lower(byte) : 0;
});

/** What a field value or a reason phrase may hold (RFC 9110 5.5): HTAB, SP, VCHAR, obs-text. */
export const VALUE = table((byte) => (byte === HTAB || (byte >= SP && byte !== 0x7f) ? 1 : 0));

/** What a request target may hold: VCHAR without the `#` that would begin a fragment (RFC 9112 3.2). */
export const TARGET = table((byte) => (byte > SP && byte < 0x7f && byte !== 0x23 ? 1 : 0));

/** reg-name (RFC 3986 3.2.2) without `%`: some readers decode it and some do not, so names that differ would be one. */
export const REG_NAME = table((byte) => (isAlphanumeric(byte) || isHostMark(byte) ? 1 : 0));

/** HEXDIG: its value; 255 for any other byte. */
export const HEX = table((byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(lower(byte)));
  return digit < 0 ? 255 : digit;
});

export const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

export const isBlank = (byte: number): boolean => byte === SP || byte === HTAB;
