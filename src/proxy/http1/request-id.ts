import { randomFillSync } from 'node:crypto';
import { flat } from '../flat.ts';

/** Crockford's base 32, which ULIDs are written in. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const pairs = Array.from({ length: 1024 }, (_, i) => digits[i >> 5]! + digits[i & 31]!);

/** Random bytes are drawn for many milliseconds at once: a call into OpenSSL costs more than an id. */
const pool = Buffer.alloc(16 * 512);
let drawn = pool.length;

/** 10 digits of time and 12 random ones, drawn anew each millisecond; then the 2 digits that seldom change. */
let prefix = '';
let start = '';
let millisecond = -1;
/** The last 4 digits: from a random start they count up; at their end the random ones are drawn anew. */
let count = 0;
/** The last 2 digits, `-` and the region. */
let region = '';
let ends: string[] = [];

/** A ULID (48 bits of Unix milliseconds, 80 random bits; 26 digits), `-`, and the region. In two pieces: see `flat`. */
export function requestId(ofRegion: string): string {
  if (ofRegion !== region) {
    region = ofRegion;
    ends = pairs.map((pair) => flat(`${pair}-${region}`));
  }
  const now = Date.now();
  if (now !== millisecond || count === 0xfffff) next(now);
  else if ((++count & 1023) === 0) start = flat(prefix + pairs[count >> 10]!);
  return start + ends[count & 1023]!;
}

function next(now: number): void {
  if (drawn === pool.length) {
    randomFillSync(pool);
    drawn = 0;
  }
  millisecond = now;
  let time = '';
  for (let i = 0, rest = now; i < 5; i++, rest = Math.floor(rest / 1024)) time = pairs[rest % 1024]! + time;
  let random = '';
  for (let i = 0; i < 12; i++) random += digits[pool[drawn + i]! & 31]!;
  prefix = time + random;
  count = pool.readUInt32LE(drawn + 12) & 0xfffff;
  start = flat(prefix + pairs[count >> 10]!);
  drawn += 16;
}
