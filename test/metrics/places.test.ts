import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Places } from '../../src/metrics/places.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A response whose reader has taken `taken` bytes of a page without end. */
class Reader extends EventEmitter {
  headersSent = true;
  taken = 0;
  readonly socket: object;

  constructor(remoteAddress = '10.0.0.1') {
    super();
    const self = this;
    this.socket = {
      remoteAddress,
      writableLength: 100,
      get bytesWritten() {
        return self.taken + 100;
      },
      resetAndDestroy: () => this.emit('close'),
    };
  }
}

const places = () => new Places({ ofAddress: 2, ofAll: 3, longestWait: 3_000 });
const take = (from: Places, reader: Reader) => from.take(reader as unknown as ServerResponse);

test('who takes nothing keeps the place while nobody wants it, and loses it at once when somebody does', async () => {
  const all = places();
  const slow = [new Reader(), new Reader()];
  for (const reader of slow) expect(await take(all, reader)).toBe(true);
  const closed = vi.fn();
  slow[0]!.on('close', closed);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(closed).not.toHaveBeenCalled();
  expect(await take(all, new Reader())).toBe(true);
  expect(closed).toHaveBeenCalled();
});

test('who reads on keeps the place for ten seconds, and who reads for longer loses it to one who waits', async () => {
  const all = places();
  const readers = [new Reader(), new Reader()];
  for (const reader of readers) expect(await take(all, reader)).toBe(true);
  const reading = setInterval(() => {
    for (const reader of readers) reader.taken++;
  }, 200);
  const early = take(all, new Reader());
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await early).toBe(false);
  const late = take(all, new Reader());
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await late).toBe(false);
  expect(await take(all, new Reader())).toBe(true);
  clearInterval(reading);
});

test('an answer that is not ready is the edge that is slow, not the reader', async () => {
  const all = places();
  const readers = [new Reader(), new Reader()];
  for (const reader of readers) {
    reader.headersSent = false;
    expect(await take(all, reader)).toBe(true);
  }
  const next = take(all, new Reader());
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await next).toBe(false);
});

test('who waits has the place that comes free, and another address need not wait', async () => {
  const all = places();
  const readers = [new Reader(), new Reader()];
  for (const reader of readers) expect(await take(all, reader)).toBe(true);
  const next = take(all, new Reader());
  expect(await take(all, new Reader('10.0.0.2'))).toBe(true);
  readers[0]!.emit('close');
  expect(await next).toBe(true);
});

test('who leaves while waiting is forgotten, and so many may wait', async () => {
  const all = places();
  for (let i = 0; i < 2; i++) expect(await take(all, new Reader())).toBe(true);
  const waiting = Array.from({ length: 32 }, () => new Reader());
  const asked = waiting.map((reader) => take(all, reader));
  expect(await take(all, new Reader())).toBe(false);
  waiting[0]!.emit('close');
  expect(await asked[0]).toBe(false);
  const next = take(all, new Reader());
  for (const reader of waiting) reader.emit('close');
  await vi.advanceTimersByTimeAsync(4_000);
  expect(await next).toBe(true);
});
