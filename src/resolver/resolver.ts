/**
 * Host names, resolved ahead and kept: nobody who needs an address waits for a lookup. Asked is, in this order, `/etc/hosts`,
 * DNS servers (c-ares, which blocks nothing), and of what they don't find the system (`system.ts`).
 */

import { promises as dns } from 'node:dns';
import { readFile, stat } from 'node:fs/promises';
import { isIP, type LookupFunction } from 'node:net';
import { hostname } from 'node:os';
import type { ResolverPlan } from '../config/plan.ts';
import { isLocal, parseHosts, parseResolvConf, type SearchRules } from './files.ts';
import { Gate } from './gate.ts';
import { type Address, Name } from './name.ts';
import { type DnsClient, query } from './query.ts';
import { getaddrinfo, type SystemLookup, SystemLookups } from './system.ts';

export const defaultResolver: ResolverPlan = { servers: null, search: null, ndots: null, hosts: '/etc/hosts' };

const resolvConf = '/etc/resolv.conf';
const loopback: Address[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** An answer is used for its TTL, within these bounds: none costs a query per request, none is followed too late (milliseconds). */
const shortest = 1_000;
const longest = 30_000;
/** Answers of getaddrinfo have no TTL. */
const ofSystem = 10_000;
/** What is not found is looked up again after the shortest time, then twice that, up to this. */
const longestPause = 5_000;
/** The files are looked at this often. */
const fileInterval = 1_000;
/** Whoever starts waits so long for first answers, at most. */
const patience = 2_000;
/** Each try of a server waits twice as long as the one before. */
const defaultClient = { timeout: 1_000, tries: 3 };
/** Lookups at once, as long as they are quick: a burst of answers has to fit in a socket's buffer. */
const burst = { most: 64, patience: 250 };

/** A name that is followed, and when it is looked up next. */
interface Followed {
  name: Name;
  /** Its first lookup has ended, in whatever way. */
  first: PromiseWithResolvers<void>;
  timer: NodeJS.Timeout | undefined;
  /** Lookups by DNS since it was last found. */
  failures: number;
  /** Counts its lookups; the answer of one that is not the last any more is of no use. */
  round: number;
}

export interface ResolverOptions {
  /** Told when a name is not found, for the first time or any more, and when it is found again. */
  report?: (name: Name) => void;
  /** getaddrinfo, unless servers are configured. */
  system?: SystemLookup;
  /** Milliseconds of the first try, and how many tries. */
  client?: { timeout: number; tries: number };
}

export class Resolver {
  readonly #plan: ResolverPlan;
  readonly #report: (name: Name) => void;
  /** null: the servers that are configured are all that is asked. */
  readonly #system: SystemLookups | null;
  readonly #names = new Map<string, Followed>();
  readonly #gate = new Gate(burst.most, burst.patience);
  readonly #client: { timeout: number; tries: number };
  #dns: DnsClient;
  #hosts = new Map<string, Address[]>();
  #rules: SearchRules = { search: [], ndots: 1 };
  /** Settled when the files were read for the first time; null before a name needs them. */
  #filesRead: Promise<void> | null = null;
  readonly #versions = new Map<string, string>();
  #files: NodeJS.Timeout | undefined;
  #started = false;
  #stopped = false;

  constructor(
    plan: ResolverPlan = defaultResolver,
    { report = () => {}, system, client = defaultClient }: ResolverOptions = {},
  ) {
    this.#plan = plan;
    this.#report = report;
    const asked = system ?? (plan.servers === null ? getaddrinfo : null);
    this.#system = asked === null ? null : new SystemLookups(asked);
    this.#client = client;
    this.#dns = this.#connect();
  }

  /** The system is asked at the moment, by a thread that holds up the process's end. */
  get blocked(): boolean {
    return this.#system?.busy === true;
  }

  /** The name, which is followed from now on; null for what is an IP address. */
  follow(host: string): Name | null {
    if (isIP(host) !== 0) return null;
    const known = this.#names.get(host);
    if (known !== undefined) return known.name;
    const name = new Name(host);
    const followed = { name, first: Promise.withResolvers<void>(), timer: undefined, failures: 0, round: 0 };
    this.#names.set(host, followed);
    if (isLocal(host)) {
      name.becomes(loopback);
      followed.first.resolve();
    } else if (this.#started) void this.#refresh(followed);
    return name;
  }

  /** For `net.connect`. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    (this.follow(host) ?? new Name(host)).lookup(host, options, callback);
  };

  /** Begins; settled when each name has had a first answer, or when those that have none are late. */
  async start(): Promise<void> {
    this.#started = true;
    const pending = [...this.#names.values()].filter(({ name }) => !name.found);
    for (const followed of pending) void this.#refresh(followed);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, patience);
    await Promise.race([late.promise, Promise.all(pending.map(({ first }) => first.promise))]);
    clearTimeout(timer);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#files);
    for (const { timer } of this.#names.values()) clearTimeout(timer);
  }

  async #refresh(followed: Followed): Promise<void> {
    const { name } = followed;
    const round = ++followed.round;
    clearTimeout(followed.timer);
    await (this.#filesRead ??= this.#watchFiles());
    const written = this.#hosts.get(name.host.replace(/\.$/, ''));
    const answer =
      written === undefined
        ? await this.#gate.through(() => query(this.#dns, name.host, this.#rules, name.addresses))
        : { addresses: written, ttl: Number.POSITIVE_INFINITY };
    if (this.#stopped || round !== followed.round) return;
    if ('addresses' in answer) {
      this.#found(followed, answer.addresses, Math.min(Math.max(answer.ttl * 1_000, shortest), longest));
      return;
    }
    this.#again(followed, Math.min(shortest * 2 ** followed.failures++, longestPause));
    // What servers don't know may be the system's own; whether they answer is known now.
    if (!answer.unknown) this.#missed(followed, answer.failure);
    const found = await this.#askSystem(followed, answer.unknown);
    // Meanwhile another round may have found it.
    if (!found && followed.failures > 0) this.#missed(followed, answer.failure);
  }

  /**
   * Of a name that servers don't know. Where they don't answer, the system, which asks the same ones, will take long: it is
   * asked for a name that nobody has ever found, and ever more rarely.
   */
  async #askSystem(followed: Followed, unknown: boolean): Promise<boolean> {
    const { name, failures } = followed;
    if (this.#system === null) return false;
    if (!unknown && (name.found || (failures & (failures - 1)) !== 0)) return false;
    const addresses = await this.#system.ask(name.host, !unknown);
    if (this.#stopped || addresses.length === 0 || followed.failures === 0) return false;
    this.#found(followed, addresses, ofSystem);
    return true;
  }

  #found(followed: Followed, addresses: readonly Address[], until: number): void {
    const { name, first } = followed;
    const again = name.failure !== '';
    followed.failures = 0;
    name.failure = '';
    name.becomes(addresses);
    this.#again(followed, until);
    first.resolve();
    if (again) this.#report(name);
  }

  #missed({ name, first }: Followed, failure: string): void {
    const news = name.failure === '';
    name.failure = failure;
    first.resolve();
    if (news) this.#report(name);
  }

  #again(followed: Followed, after: number): void {
    clearTimeout(followed.timer);
    followed.timer = setTimeout(() => void this.#refresh(followed), after);
  }

  #connect(): DnsClient {
    const made = new dns.Resolver(this.#client);
    if (this.#plan.servers !== null) made.setServers(this.#plan.servers);
    return made;
  }

  async #watchFiles(): Promise<void> {
    await this.#readFiles();
    const next = (): void => {
      this.#files = setTimeout(() => {
        void this.#readFiles().then((changed) => {
          if (this.#stopped) return;
          if (changed)
            for (const followed of this.#names.values()) if (!isLocal(followed.name.host)) void this.#refresh(followed);
          next();
        });
      }, fileInterval);
    };
    if (!this.#stopped) next();
  }

  /** @returns whether one of them has changed. */
  async #readFiles(): Promise<boolean> {
    const hosts = await this.#changed(this.#plan.hosts);
    if (hosts !== null) this.#hosts = parseHosts(hosts);
    const conf = await this.#changed(resolvConf);
    if (conf !== null) {
      const { search, ndots } = parseResolvConf(conf, hostname());
      this.#rules = { search: this.#plan.search ?? search, ndots: this.#plan.ndots ?? ndots };
      // c-ares reads the file's servers when it is made.
      this.#dns = this.#connect();
    }
    return hosts !== null || conf !== null;
  }

  /** The text of a file that is not what it was; null when it is. One that can't be read is empty. */
  async #changed(file: string): Promise<string | null> {
    try {
      const { mtimeMs, ino, size } = await stat(file);
      const version = `${mtimeMs} ${ino} ${size}`;
      if (version === this.#versions.get(file)) return null;
      this.#versions.set(file, version);
      return await readFile(file, 'latin1');
    } catch {
      if (this.#versions.get(file) === '') return null;
      this.#versions.set(file, '');
      return '';
    }
  }
}
