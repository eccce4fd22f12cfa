import { ipBytes, ipv4Text } from '../base/ip.ts';

export interface AttemptsOptions {
  /** Failures that an address may have at once. */
  burst?: number;
  /** Milliseconds after which one of them is forgiven. */
  forgive?: number;
  /** Addresses that are remembered; beyond, the one that failed longest ago is forgotten. */
  most?: number;
  /** Milliseconds. */
  clock?: () => number;
}

/**
 * Failed attempts, limited for each address by a token bucket, so that guessing and its log lines have a rate.
 * An IPv6 client has a whole /64: it counts as one address.
 */
export class Attempts {
  readonly #burst: number;
  readonly #forgive: number;
  readonly #most: number;
  readonly #clock: () => number;
  /** When the address's bucket is full again; the one that failed longest ago comes first. */
  readonly #fullAt = new Map<string, number>();

  constructor({ burst = 10, forgive = 6000, most = 10_000, clock = Date.now }: AttemptsOptions = {}) {
    this.#burst = burst;
    this.#forgive = forgive;
    this.#most = most;
    this.#clock = clock;
  }

  /** False: one more failure is answered 429. What is no failure is never limited. */
  allowed(address: string): boolean {
    return this.#debt(block(address), this.#clock()) <= this.#forgive * (this.#burst - 1);
  }

  failed(address: string): void {
    const [key, now] = [block(address), this.#clock()];
    const debt = Math.min(this.#debt(key, now) + this.#forgive, this.#forgive * this.#burst);
    this.#fullAt.delete(key);
    this.#fullAt.set(key, now + debt);
    for (const [first, fullAt] of this.#fullAt) {
      if (fullAt > now && this.#fullAt.size <= this.#most) break;
      this.#fullAt.delete(first);
    }
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#fullAt.size;
  }

  /** Milliseconds until everything is forgiven. */
  #debt(key: string, now: number): number {
    return Math.max(0, (this.#fullAt.get(key) ?? 0) - now);
  }
}

/** An address in whatever spelling: the IPv4 one, or the first 64 bits of the IPv6 one. */
function block(address: string): string {
  const bytes = ipBytes(address);
  if (bytes === null) return address;
  if (bytes.length === 4) return ipv4Text(bytes, 0);
  // IPv4 as a dual-stack socket has it (RFC 4291 2.5.5.2), or as a translator in front of IPv6 servers does (RFC 6052 2.1).
  const prefix = bytes.toString('hex', 0, 12);
  return prefix === mapped || prefix === translated ? ipv4Text(bytes, 12) : bytes.toString('hex', 0, 8);
}

const mapped = '00000000000000000000ffff';
const translated = '0064ff9b0000000000000000';
