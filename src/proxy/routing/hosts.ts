/** A longer name is no host name (RFC 1035 2.3.4), and would have a stranger's dots searched one by one. */
const maxHost = 253;

/**
 * Values by host name. `*.x.y` stands for one or more labels before `x.y`, `*` for any host. An exact name goes before
 * a wildcard, a longer wildcard before a shorter one, and `*` comes last.
 */
export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows the `*.`. */
  readonly #wildcard = new Map<string, T>();
  #any: T | undefined;

  /** Names are in their normal form (`normalHost`); of several equal ones, the last counts. */
  constructor(entries: Iterable<readonly [name: string, value: T]>) {
    for (const [name, value] of entries) {
      if (name === '*') this.#any = value;
      else if (name.startsWith('*.')) this.#wildcard.set(name.slice(2), value);
      else this.#exact.set(name, value);
    }
  }

  /** `host` is in its normal form, without port. */
  find(host: string): T | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    if (this.#wildcard.size > 0 && host.length <= maxHost) {
      // From the first dot that has a label before it: the longest suffix comes first.
      for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
        const wildcard = this.#wildcard.get(host.slice(dot + 1));
        if (wildcard !== undefined) return wildcard;
      }
    }
    return this.#any;
  }
}
