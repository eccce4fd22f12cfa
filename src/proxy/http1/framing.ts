import { isDigit } from './bytes.ts';
import { isToken } from './connection.ts';
import type { Fault } from './faults.ts';

/** How the end of a body is found (RFC 9112 6). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/** Content-Length (RFC 9110 8.6) in text[start,end): digits only, no list; -1 when malformed or above what a number holds exactly. */
export function readLength(text: string, start: number, end: number): number {
  if (start === end) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = text.charCodeAt(i);
    if (!isDigit(byte)) return -1;
    length = length * 10 + (byte - 0x30);
    if (length > Number.MAX_SAFE_INTEGER) return -1;
  }
  return length;
}

/**
 * Transfer-Encoding (RFC 9112 6.1): the body is chunked when `chunked` is its last coding, and otherwise ends with the
 * connection; or the fault. Empty members and parameters are malformed here, as readers differ on them.
 */
export function readCodings(value: string): typeof Framing.chunked | typeof Framing.untilClose | Fault {
  if (value === 'chunked') return Framing.chunked;
  const codings = value.split(',').map((member) => member.trim().toLowerCase());
  if (!codings.every(isToken)) return 'bad-coding';
  const at = codings.indexOf('chunked');
  if (at < 0) return Framing.untilClose;
  return at === codings.length - 1 ? Framing.chunked : 'chunked-not-last';
}
