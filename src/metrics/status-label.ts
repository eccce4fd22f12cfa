/** What the label `status` says: an app may answer any of 900 numbers, and each would be 42 lines of a page. */

/**
 * As IANA's registry has them (RFC 9110 16.2), with those it names "(Unused)": they stay as they are. The interim ones
 * are not counted, but for 101.
 */
const registered: readonly (readonly [first: number, last: number])[] = [
  [100, 104],
  [200, 208],
  [226, 226],
  [300, 308],
  [400, 418],
  [421, 426],
  [428, 429],
  [431, 431],
  [451, 451],
  [500, 508],
  [510, 511],
];

/**
 * The number of a registered status; of another one its class, `2xx` to `5xx` (a client treats it as the class's first:
 * RFC 9110 15), or `other`, which no class is defined for. So an app, or an instance, has at most 65 values for what it
 * answers finally. @param status 100 to 999.
 */
export function statusLabel(status: number): string {
  if (registered.some(([first, last]) => status >= first && status <= last)) return String(status);
  return status >= 200 && status < 600 ? `${Math.floor(status / 100)}xx` : 'other';
}
