/**
 * What protocols mean by case, white space and digits. JavaScript means more: `toLowerCase` changes `À` and makes `k` of
 * the Kelvin sign, `trim` takes away NBSP and line ends, `Number` reads `0x1f`, ` 5 ` and ``. Bytes from outside go
 * through these.
 */

const upper = /[A-Z]+/g;
const toLower = (run: string): string => run.toLowerCase();

/** The letters A to Z in lower case; no other character changes. */
export function lower(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return text.replace(upper, toLower);
  }
  return text;
}

/** Equal but for the case of A to Z. */
export const equalFold = (a: string, b: string): boolean => a.length === b.length && lower(a) === lower(b);

const isOws = (code: number): boolean => code === 0x20 || code === 0x09;

/** Without the SP and HTAB around it: OWS (RFC 9110 5.6.3), and nothing else. */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The members of a comma-separated list (RFC 9110 5.6.1) without the blanks around them; empty ones are kept. */
export const members = (list: string): string[] => list.split(',').map(trimOws);

/** One or more of 0 to 9, as a number; -1 for any other text, and for more than `most`. */
export function decimal(text: string, most = Number.MAX_SAFE_INTEGER): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > most) return -1;
  }
  return value;
}
