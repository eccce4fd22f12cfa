import type { LookupFunction } from 'node:net';

export interface Address {
  address: string;
  family: 4 | 6;
}

/** An address that could not be reached is the last to be tried for so long (milliseconds). */
const avoidance = 10_000;

const same = (a: readonly Address[], b: readonly Address[]): boolean =>
  a.length === b.length && a.every(({ address }) => b.some((other) => other.address === address));

/** A host name that is followed: what it resolved to last is here at any time, and nobody waits for it. */
export class Name {
  readonly host: string;
  /** IPv4 first; empty until it was found for the first time. What was found last stays while it is not found. */
  addresses: readonly Address[] = [];
  /** Why it was not found the last time; '' when it was. */
  failure = '';
  /** Called when it has other addresses than before. */
  readonly followers = new Set<() => void>();
  /** Until when each address that could not be reached is avoided. */
  readonly #avoided = new Map<string, number>();
  #turn = 0;

  constructor(host: string) {
    this.host = host;
  }

  get found(): boolean {
    return this.addresses.length > 0;
  }

  has(address: string): boolean {
    return this.addresses.some((each) => each.address === address);
  }

  /** A new answer. */
  becomes(addresses: readonly Address[]): void {
    const sorted = [...addresses].sort((a, b) => a.family - b.family);
    const moved = !same(sorted, this.addresses);
    this.addresses = sorted;
    if (!moved) return;
    for (const address of this.#avoided.keys()) if (!this.has(address)) this.#avoided.delete(address);
    for (const follower of this.followers) follower();
  }

  /** It could not be reached at this address. */
  avoid(address: string): void {
    this.#avoided.set(address, performance.now() + avoidance);
  }

  /** The addresses as a new connection is to try them: those of a family take turns to be the first. */
  inTurn(): Address[] {
    const good = this.addresses.filter(({ address }) => !this.#isAvoided(address));
    const bad = good.length === this.addresses.length ? [] : this.addresses.filter((each) => !good.includes(each));
    const first = good.filter(({ family }) => family === good[0]!.family);
    const at = first.length === 0 ? 0 : this.#turn++ % first.length;
    return [...first.slice(at), ...first.slice(0, at), ...good.slice(first.length), ...bad];
  }

  /** For `net.connect`: answers at once. */
  readonly lookup: LookupFunction = (host, { all }, callback) => {
    const addresses = this.inTurn();
    if (addresses.length === 0) {
      const error = Object.assign(new Error(`${host} does not resolve`), { code: this.failure || 'ENOTFOUND' });
      callback(error, all ? [] : '', 0);
    } else if (all) callback(null, addresses);
    else callback(null, addresses[0]!.address, addresses[0]!.family);
  };

  #isAvoided(address: string): boolean {
    const until = this.#avoided.get(address);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#avoided.delete(address);
    return false;
  }
}
