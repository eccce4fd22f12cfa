import { randomFillSync } from 'node:crypto';

/** Crockford's base 32, which ULIDs are written in. */
const digits = Buffer.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ');

/** Random bytes are drawn for 512 ids at once: a call into OpenSSL costs more than an id. */
const pool = Buffer.alloc(16 * 512);
let drawn = pool.length;

/** The last id; the time's digits and the region stay while they are the same. */
let text = Buffer.alloc(0);
let region = '';
let millisecond = -1;

/** A ULID (48 bits of Unix milliseconds, 80 random bits; 26 digits), `-`, and the region, which is ASCII. */
export function requestId(forRegion: string): string {
  if (region !== forRegion || text.length === 0) {
    region = forRegion;
    text = Buffer.from(`${'0'.repeat(26)}-${forRegion}`, 'latin1');
    millisecond = -1;
  }
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    for (let i = 9, rest = now; i >= 0; i--, rest = Math.floor(rest / 32)) text[i] = digits[rest % 32];
  }
  if (drawn === pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  for (let i = 10; i < 26; i++) text[i] = digits[pool[drawn++] & 31];
  return text.toString('latin1');
}
