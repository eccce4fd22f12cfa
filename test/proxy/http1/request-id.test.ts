import { describe, expect, it } from 'vitest';
import { requestId } from '../../../src/proxy/http1/request-id.ts';

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const time = (id: string): number => [...id.slice(0, 10)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0);

describe('requestId', () => {
  it('is a ULID of now, and the region', () => {
    const before = Date.now();
    const id = requestId('iad');
    expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}-iad$/);
    expect(time(id)).toBeGreaterThanOrEqual(before);
    expect(time(id)).toBeLessThanOrEqual(Date.now());
    expect(requestId('fra')).toMatch(/-fra$/);
    expect(requestId('iad')).toMatch(/^.{26}-iad$/);
  });

  it('sorts by time, and never repeats in a million', () => {
    const ids = new Set<string>();
    let last = '';
    for (let i = 0; i < 1_000_000; i++) {
      const id = requestId('iad');
      ids.add(id);
      if (id.slice(0, 10) < last) throw new Error(`${id} after ${last}`);
      last = id.slice(0, 10);
    }
    expect(ids.size).toBe(1_000_000);
    expect(new Set([...ids].map((id) => id.slice(0, 10))).size).toBeGreaterThan(10);
  });

  it('uses every digit at every random place', () => {
    const seen = Array.from({ length: 16 }, () => new Set<string>());
    for (let i = 0; i < 2000; i++) {
      const id = requestId('iad');
      for (let place = 0; place < 16; place++) seen[place].add(id[10 + place]);
    }
    expect(seen.map((place) => place.size)).toEqual(Array(16).fill(32));
  });
});
