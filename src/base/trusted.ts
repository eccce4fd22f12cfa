import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { unmapped } from './ip.ts';

/** Proxies in front are few; strangers are many, and must not fill the memory. */
const maxCached = 4096;

/** The peers whose word about a client's address is taken. */
export class TrustedPeers {
  readonly #list = new BlockList();
  readonly #cache = new Map<string, boolean>();
  readonly #empty: boolean;

  /**
   * @param cidrs `10.0.0.0/8`, `fd00::/8`, or one address
   * @throws on what is none of these; the configuration has checked them
   */
  constructor(cidrs: readonly string[]) {
    this.#empty = cidrs.length === 0;
    for (const cidr of cidrs) {
      const [network, prefix] = cidr.split('/');
      const address = unmapped(network);
      const bits = prefix === undefined ? (isIPv4(network) ? 32 : 128) : Number(prefix);
      if (address !== network && bits >= 96) this.#list.addSubnet(address, bits - 96, 'ipv4');
      else this.#list.addSubnet(network, bits, isIPv4(network) ? 'ipv4' : 'ipv6');
    }
  }

  /** `address` as a socket reports it: an IPv4-mapped IPv6 address is IPv4. False for what is no address. */
  has(address: string): boolean {
    if (this.#empty) return false;
    let trusted = this.#cache.get(address);
    if (trusted === undefined) {
      trusted = this.#check(unmapped(address));
      if (this.#cache.size >= maxCached) this.#cache.clear();
      this.#cache.set(address, trusted);
    }
    return trusted;
  }

  #check(address: string): boolean {
    if (isIPv4(address)) return this.#list.check(address, 'ipv4');
    const bare = address.replace(/%.*$/, ''); // a link-local peer's zone
    return isIPv6(bare) && this.#list.check(bare, 'ipv6');
  }
}
