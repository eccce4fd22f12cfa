/**
 * Numbers as the kernel writes them. They are passed on as text: counters have 64 bits, which a JavaScript number
 * has not.
 */

export const isCount = (text: string | undefined): text is string => text !== undefined && /^\d{1,20}$/.test(text);

/** Scaled exactly. @param text one for which `isCount` holds. */
export const times = (text: string, factor: bigint): string => String(BigInt(text) * factor);

/** Microseconds as centiseconds, with up to four decimals. */
export function centiseconds(microseconds: string): string {
  const padded = microseconds.padStart(5, '0');
  const decimals = padded.slice(-4).replace(/0+$/, '');
  const whole = padded.slice(0, -4).replace(/^0+(?=\d)/, '');
  return decimals === '' ? whole : `${whole}.${decimals}`;
}
