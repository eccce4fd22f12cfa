/**
 * Places for large answers. Their number is bounded, for all readers and for each address; who comes when none is free waits for a
 * moment, and gets the place of a reader who takes nothing.
 */

import type { ServerResponse } from 'node:http';
import { stalled } from './stalled.ts';

export interface PlacesOptions {
  /** A page of a large edge is tens of MB while it is written: more at once than a few scrapers need is a mistake. */
  ofAddress: number;
  /** More, so that no address has all of them. */
  ofAll: number;
  /** Milliseconds; below a scraper's timeout, which is 10 s by default. */
  longestWait: number;
}

/** Milliseconds after which a place is another's who waits, although its reader still takes something now and then. */
const unhurried = 10_000;
const sweepInterval = 250;
/** So many of one address may wait, and of all. A waiting request costs its connection alone. */
const waitingOfAddress = 32;
const waitingOfAll = 64;

interface Reader {
  readonly response: ServerResponse;
  readonly address: string;
  readonly came: number;
  /** When its answer began; null before. */
  begun: number | null;
  /** Bytes that the kernel had taken, and since when no more. */
  taken: number;
  movedAt: number;
  /** Ends its waiting. */
  readonly admit: (admitted: boolean) => void;
}

export class Places {
  readonly #options: PlacesOptions;
  readonly #held = new Set<Reader>();
  readonly #waiting = new Set<Reader>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** Settled with whether the asker has a place, which is free again once its response is closed. */
  take(response: ServerResponse): Promise<boolean> {
    const { promise, resolve: admit } = Promise.withResolvers<boolean>();
    const address = response.socket?.remoteAddress ?? '';
    const reader: Reader = { response, address, came: performance.now(), begun: null, taken: 0, movedAt: 0, admit };
    response.once('close', () => this.#gone(reader));
    if (this.#free(reader)) this.#enter(reader);
    else if (this.#waiting.size >= waitingOfAll || of(this.#waiting, address) >= waitingOfAddress) admit(false);
    else {
      this.#waiting.add(reader);
      this.#sweep();
    }
    return promise;
  }

  #free({ address }: Reader): boolean {
    return this.#held.size < this.#options.ofAll && of(this.#held, address) < this.#options.ofAddress;
  }

  #enter(reader: Reader): void {
    this.#held.add(reader);
    this.#timer ??= setInterval(() => this.#sweep(), sweepInterval);
    reader.admit(true);
  }

  #gone(reader: Reader): void {
    this.#waiting.delete(reader);
    this.#held.delete(reader);
    reader.admit(false);
    for (const next of this.#waiting) {
      if (!this.#free(next)) continue;
      this.#waiting.delete(next);
      this.#enter(next);
    }
    if (this.#held.size + this.#waiting.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #sweep(): void {
    const now = performance.now();
    for (const reader of this.#held) watch(reader, now);
    for (const next of this.#waiting) {
      const rivals = [...this.#held].filter(
        (each) => this.#held.size >= this.#options.ofAll || each.address === next.address,
      );
      const slow = rivals.find((each) => isSlow(each, now));
      // Closed a turn later; then whoever waits longest gets the place.
      if (slow !== undefined) cut(slow);
      else if (now - next.came > this.#options.longestWait) {
        this.#waiting.delete(next);
        next.admit(false);
      }
    }
  }
}

const of = (readers: Set<Reader>, address: string): number =>
  [...readers].reduce((sum, reader) => sum + (reader.address === address ? 1 : 0), 0);

/** Notes what the kernel has taken. */
function watch(reader: Reader, now: number): void {
  const { socket, headersSent } = reader.response;
  if (socket === null || !headersSent) return;
  const taken = socket.bytesWritten - socket.writableLength;
  // Without anything to take, the edge itself is what there is to wait for.
  if (reader.begun !== null && taken === reader.taken && socket.writableLength > 0) return;
  reader.begun ??= now;
  reader.taken = taken;
  reader.movedAt = now;
}

const isSlow = ({ begun, movedAt }: Reader, now: number): boolean =>
  begun !== null && (now - movedAt >= stalled || now - begun >= unhurried);

/** A reset: what waits in the kernel for a reader that reads nothing is memory, too. */
function cut({ response }: Reader): void {
  response.socket?.resetAndDestroy();
}
