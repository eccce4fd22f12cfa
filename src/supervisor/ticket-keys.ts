import { randomBytes } from 'node:crypto';

/** Node's `ticketKeys`: 16 bytes name, 16 HMAC, 16 AES. */
const size = 48;
/**
 * A stolen key opens recorded sessions of TLS 1.2, and what was sent early, of as long as it was in use and kept: at most
 * two periods. A ticket itself is good for at most two hours (OpenSSL's session timeout), so that one
 * earlier key is enough for every ticket that is out.
 */
const rotationPeriod = 12 * 3_600_000;

/** The keys of TLS session tickets, the same in all workers of both slots. */
export class TicketKeys {
  #keys: Uint8Array[];
  #since: number;

  /** @param keys, since of a supervisor before this one. */
  constructor(keys: Uint8Array[] = [randomBytes(size)], since = Date.now()) {
    this.#keys = keys;
    this.#since = since;
  }

  /** The one for new tickets first, then the one before, whose tickets are still good. */
  get keys(): Uint8Array[] {
    return this.#keys;
  }

  /** When the newest was made, as Date.now(). */
  get since(): number {
    return this.#since;
  }

  /** Whether the newest is as old as it may be. */
  get due(): boolean {
    return Date.now() - this.#since >= rotationPeriod;
  }

  rotate(): void {
    this.#keys = [randomBytes(size), this.#keys[0]!];
    this.#since = Date.now();
  }
}
