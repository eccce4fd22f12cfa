import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** PEM, the certificate with its chain. */
export interface KeyPair {
  cert: string;
  key: string;
}

/**
 * A session is resumed only in the session id context that it was made in. `tls.Server` would set a hash of the process's
 * arguments, which differ between workers and slots; a context made by hand has none. With a constant, resumption
 * depends on the ticket keys alone.
 */
const sessionIdContext = 'fly-edge';

/** Certificates by name, and the TLS contexts made of them. */
export class CertificateStore<Entry extends KeyPair & { hostnames: string[] }> {
  readonly #exact = new Map<string, Entry>();
  /** By what follows the `*.`. */
  readonly #wildcard = new Map<string, Entry>();
  /** The keys for new tickets first, then those whose tickets are still good. */
  #sealers: TicketSealer[];

  /**
   * @param certificates of several for one name, the first is taken
   * @param ticketKeys 48 bytes each, newest first, the same in every process whose sessions are to be shared
   */
  constructor(certificates: readonly Entry[], ticketKeys: readonly Uint8Array[]) {
    this.#sealers = ticketKeys.map((keys) => new TicketSealer(keys));
    for (const entry of certificates) {
      for (const name of entry.hostnames) {
        const names = name.startsWith('*.') ? this.#wildcard : this.#exact;
        const key = name.startsWith('*.') ? name.slice(2) : name;
        if (!names.has(key)) names.set(key, entry);
      }
    }
  }

  /** Exact before wildcard, which stands for exactly one label (RFC 9525 6.3). `serverName` is lower case. */
  find(serverName: string | null): Entry | null {
    if (serverName === null) return null;
    const exact = this.#exact.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf('.');
    return dot < 1 ? null : (this.#wildcard.get(serverName.slice(dot + 1)) ?? null);
  }

  /**
   * OpenSSL would take tickets of several keys, but Node gives each context one: so there is a context for each key,
   * and a client that brings a ticket gets the one that can open it.
   * @param ticketKey name of the key of the client's ticket, hex
   * @throws when cert and key are not a valid pair; the configuration has checked that
   */
  contextFor(pair: KeyPair, versions: readonly TlsVersion[], ticketKey: string | null): SecureContext {
    const sealer = this.#sealers.find(({ name }) => name === ticketKey) ?? this.#sealers[0]!;
    return sealer.contextFor(pair, versions);
  }

  /** For the connections from now on. Contexts of keys that stay are kept. */
  setTicketKeys(ticketKeys: readonly Uint8Array[]): void {
    const known = new Map(this.#sealers.map((sealer) => [sealer.name, sealer]));
    this.#sealers = ticketKeys.map((keys) => {
      const sealer = new TicketSealer(keys);
      return known.get(sealer.name) ?? sealer;
    });
  }
}

/** One set of ticket keys, and the contexts that use it. */
class TicketSealer {
  /** The name that a ticket of these keys begins with, hex. */
  readonly name: string;
  readonly #keys: Buffer;
  readonly #contexts = new WeakMap<KeyPair, Map<string, SecureContext>>();

  constructor(keys: Uint8Array) {
    this.#keys = Buffer.from(keys);
    this.name = this.#keys.subarray(0, 16).toString('hex');
  }

  contextFor(pair: KeyPair, versions: readonly TlsVersion[]): SecureContext {
    const minVersion = versions.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3';
    const maxVersion = versions.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2';
    const range = minVersion + maxVersion;
    let contexts = this.#contexts.get(pair);
    if (contexts === undefined) {
      contexts = new Map();
      this.#contexts.set(pair, contexts);
    }
    let context = contexts.get(range);
    if (context === undefined) {
      context = createSecureContext({
        cert: pair.cert,
        key: pair.key,
        minVersion,
        maxVersion,
        honorCipherOrder: true,
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
        ticketKeys: this.#keys,
        sessionIdContext,
        // Clients are not asked for certificates: without this, each context would load the root certificates.
        ca: [],
      });
      contexts.set(range, context);
    }
    return context;
  }
}
