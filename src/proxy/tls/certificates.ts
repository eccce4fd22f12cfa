import { constants, createPrivateKey } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { PemPair } from '../../base/self-signed.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** What a handshake is made with: of several kinds of key, OpenSSL takes the one that the client knows. */
export interface KeyPair {
  cert: string | string[];
  key: string | string[];
}

/** A certificate and whom it is for. */
export interface Entry extends PemPair {
  hostnames: string[];
  addresses?: string[];
  default?: boolean;
}

/**
 * A session is resumed only in the session id context that it was made in. `tls.Server` would set a hash of the process's
 * arguments, which differ between workers and slots; a context made by hand has none. With a constant, resumption
 * depends on the ticket keys alone.
 */
const sessionIdContext = 'fly-edge';

/**
 * Forward secrecy and authenticated encryption only (RFC 9325 4.2): no RSA key exchange, no CBC. In our order; a client that puts
 * ChaCha20 first, having no AES in hardware, gets that.
 */
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const keyType = (pem: string): string | undefined => createPrivateKey(pem).asymmetricKeyType;

/** Certificates by name, and the TLS contexts made of them. */
export class CertificateStore {
  readonly #exact = new Map<string, KeyPair>();
  /** By what follows the `*.`. */
  readonly #wildcard = new Map<string, KeyPair>();
  readonly #address = new Map<string, KeyPair>();
  readonly #joined = new Map<KeyPair, Map<Entry, KeyPair>>();
  /** For clients without a server name. */
  readonly default: KeyPair | null;
  /** The keys for new tickets first, then those whose tickets are still good. */
  #sealers: TicketSealer[];

  /**
   * @param certificates of several for one name, the first of each kind of key is taken, and OpenSSL chooses by what the client knows
   * @param ticketKeys 48 bytes each, newest first, the same in every process whose sessions are to be shared
   */
  constructor(certificates: readonly Entry[], ticketKeys: readonly Uint8Array[]) {
    this.#sealers = ticketKeys.map((keys) => new TicketSealer(keys));
    const standard = new Map<'', KeyPair>();
    for (const entry of certificates) {
      for (const name of entry.hostnames) {
        if (name.startsWith('*.')) this.#add(this.#wildcard, name.slice(2), entry);
        else this.#add(this.#exact, name, entry);
      }
      for (const address of entry.addresses ?? []) this.#add(this.#address, address, entry);
      if (entry.default === true) this.#add(standard, '', entry);
    }
    this.default = standard.get('') ?? null;
  }

  #add<Key>(names: Map<Key, KeyPair>, key: Key, entry: Entry): void {
    const known = names.get(key);
    names.set(key, known === undefined ? entry : this.#join(known, entry));
  }

  /** One pair of both, the same for the same two: TLS contexts are made once a pair. */
  #join(known: KeyPair, entry: Entry): KeyPair {
    const keys = [known.key].flat();
    if (keys.some((key) => keyType(key) === keyType(entry.key))) return known;
    const joined = this.#joined.get(known) ?? new Map<Entry, KeyPair>();
    this.#joined.set(known, joined);
    const pair = joined.get(entry) ?? { cert: [known.cert, entry.cert].flat(), key: [...keys, entry.key] };
    joined.set(entry, pair);
    return pair;
  }

  /** For a client without a server name, by the address that it connected to. */
  findAddress(address: string): KeyPair | null {
    return this.#address.get(address) ?? null;
  }

  /** Exact before wildcard, which stands for exactly one label (RFC 9525 6.3). `serverName` is lower case. */
  find(serverName: string | null): KeyPair | null {
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
        ciphers,
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
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
