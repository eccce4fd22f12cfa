import { decimal, lower, members } from '../../../base/ascii.ts';
import { isDigit } from './bytes.ts';
import { isToken } from './connection-options.ts';
import type { Fault } from './faults.ts';

const ZERO = 0x30;

/** How the end of a body is found (RFC 9112 6). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/**
 * Digits in text[start,end), without a leading zero, as every writer spells a length; -1 for any other text, and for more
 * than a number holds exactly.
 */
export function readLength(text: string, start: number, end: number): number {
  if (start === end || (text.charCodeAt(start) === ZERO && end - start > 1)) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = text.charCodeAt(i);
    if (!isDigit(byte)) return -1;
    length = length * 10 + (byte - ZERO);
    if (length > Number.MAX_SAFE_INTEGER) return -1;
  }
  return length;
}

/** A length as RFC 9110 8.6 lets a recipient read it: a list of equal ones is one; -1 when malformed. */
export function readLengths(list: string): number {
  const [first, ...others] = members(list).map((member) => decimal(member));
  return others.every((length) => length === first) ? first! : -1;
}

/**
 * The fault of a Transfer-Encoding (RFC 9112 6.1), '' for `chunked` alone. No other coding is served: what a reader does
 * with a body that it can't decode differs, and so does where it looks for the next message. Empty members and
 * parameters are malformed here, as readers differ on them too.
 */
export function codingFault(value: string): Fault | '' {
  if (value === 'chunked') return '';
  const codings = members(lower(value));
  if (!codings.every(isToken)) return 'bad-coding';
  if (codings.indexOf('chunked') !== codings.length - 1) return 'chunked-not-last';
  return codings.length === 1 ? '' : 'coding-not-implemented';
}
