import { lookup } from 'node:dns';
import type { Address } from './name.ts';

/** The system's own way to look up a name, getaddrinfo. */
export type SystemLookup = (name: string) => Promise<Address[]>;

export const getaddrinfo: SystemLookup = (name) =>
  new Promise((resolve) => {
    lookup(name, { all: true }, (error, addresses) => resolve(error === null ? (addresses as Address[]) : []));
  });

interface Asker {
  name: string;
  found: (addresses: Address[]) => void;
}

/**
 * Asks getaddrinfo, which knows further sources (nsswitch.conf: multicast DNS, LDAP, …), and blocks a thread of the few that
 * a process has, for as long as it takes: one name at a time.
 */
export class SystemLookups {
  readonly #lookup: SystemLookup;
  readonly #waiting: Asker[] = [];
  /** Those that will hardly be found. */
  readonly #slow: Asker[] = [];
  #busy = false;

  constructor(system: SystemLookup) {
    this.#lookup = system;
  }

  /** One is under way. Its thread would hold up the process's end. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * None when it is not found; never settled for a name that waits already.
   * @param slow it will hardly be found: others go first.
   */
  ask(name: string, slow: boolean): Promise<Address[]> {
    return new Promise((found) => {
      if ([...this.#waiting, ...this.#slow].some((each) => each.name === name)) return;
      (slow ? this.#slow : this.#waiting).push({ name, found });
      this.#next();
    });
  }

  #next(): void {
    if (this.#busy) return;
    const next = this.#waiting.shift() ?? this.#slow.shift();
    if (next === undefined) return;
    this.#busy = true;
    void this.#lookup(next.name).then((addresses) => {
      this.#busy = false;
      next.found(addresses);
      this.#next();
    });
  }
}
