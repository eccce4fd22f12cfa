import { isIPv6 } from 'node:net';

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

  /** False: to be answered 429, without looking at the token. */
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

/** The IPv4 address, or the first 64 bits of the IPv6 one. */
function block(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1];
  const [left, right] = address.toLowerCase().split('%')[0].split('::');
  const groups = left === '' ? [] : left.split(':');
  // An IPv4 tail stands for two groups.
  const after = right === undefined || right === '' ? 0 : right.split(':').length + (right.includes('.') ? 1 : 0);
  while (right !== undefined && groups.length < 8 - after) groups.push('0');
  if (right) groups.push(...right.split(':'));
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
