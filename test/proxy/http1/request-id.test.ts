import { afterEach, describe, expect, test, vi } from 'vitest';
import { requestId } from '../../../src/proxy/http1/request-id.ts';

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const time = (id: string): number => [...id.slice(0, 10)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0);

afterEach(() => {
  vi.restoreAllMocks();
});

describe('requestId', () => {
  test('is a ULID of now, and the region', () => {
    const before = Date.now();
    const id = requestId('iad');
    expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}-iad$/);
    expect(time(id)).toBeGreaterThanOrEqual(before);
    expect(time(id)).toBeLessThanOrEqual(Date.now());
    expect(requestId('fra')).toMatch(/-fra$/);
    expect(requestId('iad')).toMatch(/^.{26}-iad$/);
  });

  test('sorts by time, and never repeats in a million', () => {
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

  test('counts up within a millisecond, also past the end of its counter', () => {
    const now = vi.spyOn(Date, 'now').mockReturnValue(1_795_000_000_000);
    let last = requestId('iad');
    const prefixes = new Set<string>();
    for (let i = 0; i < 1_200_000; i++) {
      const id = requestId('iad');
      if (id.slice(0, 22) === last.slice(0, 22) && id <= last) throw new Error(`${id} after ${last}`);
      prefixes.add(id.slice(0, 22));
      last = id;
    }
    expect(prefixes.size).toBeGreaterThan(1);
    expect(now).toHaveBeenCalled();
  });

  test('draws every digit at every random place, anew each millisecond', () => {
    const seen = Array.from({ length: 16 }, () => new Set<string>());
    const start = Date.now();
    const now = vi.spyOn(Date, 'now');
    for (let i = 0; i < 4000; i++) {
      now.mockReturnValue(start + i);
      const id = requestId('iad');
      for (let place = 0; place < 16; place++) seen[place].add(id[10 + place]);
    }
    expect(seen.map((place) => place.size)).toEqual(Array(16).fill(32));
  });
});
