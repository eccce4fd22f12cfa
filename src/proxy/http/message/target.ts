import { lower } from '../../../base/ascii.ts';
import { HEX, isDigit, REG_NAME } from './bytes.ts';

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const DOT = 0x2e;

/**
 * uri-host [ ":" port ] (RFC 9110 7.2) in text[start,end): the index after uri-host; -1 when malformed. An IP literal
 * keeps its brackets. IPvFuture and an empty port are refused, as nobody sends them.
 */
export function hostEnd(text: string, start: number, end: number): number {
  let i = start;
  if (i < end && text.charCodeAt(i) === OPEN_BRACKET) {
    i++;
    while (i < end && isAddressByte(text.charCodeAt(i))) i++;
    if (i >= end || i === start + 1 || text.charCodeAt(i) !== CLOSE_BRACKET) return -1;
    i++;
  } else {
    while (i < end && REG_NAME[text.charCodeAt(i)] !== 0) i++;
    if (i === start) return -1;
  }
  return i === end || isPort(text, i, end) ? i : -1;
}

const isAddressByte = (byte: number): boolean => HEX[byte] !== 255 || byte === COLON || byte === DOT;

function isPort(text: string, start: number, end: number): boolean {
  if (text.charCodeAt(start) !== COLON || end - start < 2 || end - start > 6) return false;
  let port = 0;
  for (let i = start + 1; i < end; i++) {
    const byte = text.charCodeAt(i);
    if (!isDigit(byte)) return false;
    port = port * 10 + byte - 0x30;
  }
  return port <= 65535;
}

/** The index of the authority of an absolute-form target (RFC 9112 3.2.2) with the scheme http or https; -1 for any other text. */
export function authorityStart(target: string): number {
  const scheme = lower(target.slice(0, 8));
  if (scheme === 'https://') return 8;
  return scheme.startsWith('http://') ? 7 : -1;
}

/** Where the authority that begins at `start` ends (RFC 3986 3.2; a fragment can't occur). */
export function authorityEnd(target: string, start: number): number {
  let i = start;
  while (i < target.length && target[i] !== '/' && target[i] !== '?') i++;
  return i;
}

/** The authority of an absolute-form target, '' of any other. */
export function authorityOf(target: string): string {
  const start = authorityStart(target);
  return start < 0 ? '' : target.slice(start, authorityEnd(target, start));
}
