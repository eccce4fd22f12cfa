import { isIP } from 'node:net';
import { type Identity, makeSelfSigned } from '../../base/self-signed.ts';
import type { AppPlan } from '../../config/plan.ts';
import { HostTable } from '../routing/hosts.ts';
import type { KeyPair } from './certificates.ts';

/** Certificates that are kept: with its TLS context, one holds some tens of KB. */
const mostKept = 256;

/** Self-signed certificates, each made when it is first asked for, and for no more than who asks knows or can see. */
export class SelfSignedStore {
  readonly #identity: Identity;
  /** The one used last is the last. */
  readonly #made = new Map<string, KeyPair>();
  readonly #names = new Map<string, HostTable<string>>();

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** For a client that names no app: it tells of none. */
  anonymous(): KeyPair {
    return this.#make('', []);
  }

  /**
   * For the hostname of edge.toml that `serverName` stands for, and the app's addresses, which DNS tells. A stranger can have no more
   * of them made than there are hostnames.
   * @param serverName null: the client has none, the app is its port's only one
   */
  of(app: AppPlan, serverName: string | null): KeyPair {
    const addresses = app.hostnames.filter(isAddress);
    const name =
      serverName === null ? app.hostnames.find((name) => !isAddress(name)) : this.#namesOf(app).find(serverName);
    return this.#make(`${app.name} ${name}`, name === undefined ? addresses : [name, ...addresses]);
  }

  #namesOf(app: AppPlan): HostTable<string> {
    let names = this.#names.get(app.name);
    if (names === undefined) {
      names = new HostTable(app.hostnames.map((name) => [name, name] as const));
      this.#names.set(app.name, names);
    }
    return names;
  }

  #make(key: string, names: string[]): KeyPair {
    const pair = this.#made.get(key) ?? makeSelfSigned(names, this.#identity);
    this.#made.delete(key);
    this.#made.set(key, pair);
    if (this.#made.size > mostKept) this.#made.delete(this.#made.keys().next().value!);
    return pair;
  }
}

/** Whether a hostname in its normal form is an address. */
export const isAddress = (name: string): boolean => name.startsWith('[') || isIP(name) !== 0;
