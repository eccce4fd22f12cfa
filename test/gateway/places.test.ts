import { expect, test } from 'vitest';
import { Places, type Release } from '../../src/gateway/places.ts';

/** Queries by name; what has begun, in its order. */
function run(capacity: number, { sharing = true, concurrency = 32, queue = 100 } = {}) {
  const places = new Places(capacity);
  places.resize(capacity, sharing);
  const begun: string[] = [];
  const releases = new Map<string, Release>();
  const leavers = new Map<string, AbortController>();
  const settle = () => new Promise(setImmediate);
  return {
    places,
    begun,
    /** @param name `a1` is one of organization a. */
    async ask(...names: string[]) {
      for (const name of names) {
        const leaver = new AbortController();
        leavers.set(name, leaver);
        void places.take(name[0]!, { concurrency, queue }, leaver.signal).then((place) => {
          if (typeof place === 'string') return void begun.push(`${name} ${place}`);
          begun.push(name);
          releases.set(name, place);
        });
      }
      await settle();
      return begun.splice(0).join(' ');
    },
    async end(...names: string[]) {
      for (const name of names) releases.get(name)!();
      await settle();
      return begun.splice(0).join(' ');
    },
    async leave(name: string) {
      leavers.get(name)!.abort();
      await settle();
      return begun.splice(0).join(' ');
    },
  };
}

test('one that asks much leaves a place for who asks little', async () => {
  const { ask, end } = run(3);
  expect(await ask('a1', 'a2', 'a3', 'a4', 'a5')).toBe('a1 a2');
  expect(await ask('b1')).toBe('b1');
  expect(await end('b1')).toBe('');
  expect(await ask('b2')).toBe('b2');
  // The last one is for who has none.
  expect(await end('a1')).toBe('');
  expect(await end('a2')).toBe('a3');
  expect(await end('b2')).toBe('a4');
});

test('who has least comes first, and in turns among those that have as much', async () => {
  const { ask, end } = run(4);
  expect(await ask('a1', 'a2', 'a3', 'a4', 'a5', 'a6')).toBe('a1 a2 a3');
  expect(await ask('b1', 'b2', 'c1', 'c2', 'd1')).toBe('b1');
  expect(await end('a1')).toBe('c1');
  expect(await end('a2')).toBe('d1');
  expect(await end('a3')).toBe('a4');
  // Each has one; a was served last.
  expect(await end('c1')).toBe('c2');
  expect(await end('b1')).toBe('b2');
  expect(await end('d1')).toBe('');
  expect(await end('c2')).toBe('a5');
  expect(await end('b2')).toBe('a6');
});

test('who is alone has all places', async () => {
  const { ask, places } = run(3, { sharing: false });
  expect(await ask('a1', 'a2', 'a3', 'a4')).toBe('a1 a2 a3');
  places.resize(4, false);
  expect(await ask()).toBe('a4');
});

test('a single place goes round', async () => {
  const { ask, end } = run(1);
  expect(await ask('a1', 'a2', 'a3', 'b1', 'b2')).toBe('a1');
  expect(await end('a1')).toBe('a2');
  expect(await end('a2')).toBe('b1');
  expect(await end('b1')).toBe('a3');
  expect(await end('a3')).toBe('b2');
});

test('more places serve who waits; with fewer, nobody begins until enough have ended', async () => {
  const { ask, end, places } = run(2);
  expect(await ask('a1', 'a2', 'a3', 'a4', 'a5')).toBe('a1');
  places.resize(4, true);
  expect(await ask()).toBe('a2 a3');
  places.resize(2, true);
  expect(await end('a1', 'a2')).toBe('');
  expect(await end('a3')).toBe('a4');
});

test('an organization has no more than it may, and its own line is of no concern to others', async () => {
  const { ask, end } = run(8, { concurrency: 2, queue: 1 });
  expect(await ask('a1', 'a2', 'a3', 'a4')).toBe('a1 a2 a4 full');
  expect(await ask('b1')).toBe('b1');
  expect(await end('a1')).toBe('a3');
});

test('who leaves while it waits is passed over, and takes no place', async () => {
  const { ask, end, leave } = run(2, { queue: 2 });
  expect(await ask('a1', 'a2', 'a3', 'a4')).toBe('a1 a4 full');
  expect(await leave('a2')).toBe('a2 left');
  expect(await ask('a5')).toBe('');
  expect(await end('a1')).toBe('a3');
  expect(await leave('a5')).toBe('a5 left');
  expect(await ask('b1')).toBe('b1');
  expect(await end('a3')).toBe('');
  expect(await ask('a6')).toBe('a6');
});

test('a place is given back once', async () => {
  const { ask, end } = run(3);
  expect(await ask('a1', 'a2', 'a3', 'a4')).toBe('a1 a2');
  expect(await end('a1', 'a1', 'a1')).toBe('a3');
});
