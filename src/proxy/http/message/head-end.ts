import { CR, LF } from './bytes.ts';

/**
 * The index just past the empty line that ends the head at buf[0]; 0 when it isn't in buf[0,end); -1 at a CR or LF
 * that stands alone (RFC 9112 2.2). Bytes before `from` were seen by an earlier call.
 */
export function findHeadEnd(buf: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const afterCr = i > 0 && buf[i - 1] === CR;
    if ((buf[i] === LF) !== afterCr) return -1;
    if (buf[i] === LF && i >= 3 && buf[i - 2] === LF) return i + 1;
  }
  return 0;
}
