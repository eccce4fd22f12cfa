/**
 * By how much a counter grew between two looks at it. One that fell was reset, and has counted anew from 0.
 * @param before undefined: it was not there, and has counted from 0 since.
 */
export function increase(before: number | undefined, now: number): number {
  if (before === undefined) return now;
  return now >= before ? now - before : now;
}
