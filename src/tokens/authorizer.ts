import { type Access, action } from './caveats.ts';
import { parseAuthorization } from './header.ts';
import { type Head, type Macaroon, nonceText } from './macaroon.ts';
import { type Effort, permits, verify } from './verify.ts';

export interface AuthorizerOptions {
  /** Both may throw a sentence when their file can't be read. */
  keys: { find(kid: Uint8Array): Uint8Array | undefined };
  revocations: { has(nonce: string): boolean };
  organizations: readonly { slug: string; id: number }[];
  /** The location of the tokens issued here; all others can only be discharges. */
  location: string;
  /** Milliseconds since 1970. */
  clock: () => number;
}

export type Decision =
  | { ok: true }
  /**
   * 401: no token that is good for anything, 403: none that allows this, 503: a file can't be read, so that nobody can tell.
   * `reason` is for logs: never has the token.
   */
  | { ok: false; status: 401 | 403 | 503; reason: string };

type Refusal = Extract<Decision, { ok: false }>;

/**
 * More than the tokens of a header can have when each is checked once. Only discharges that are tried again and again, one for each
 * of many caveats, come to more: without a bound, to a second's work.
 */
const mostSignatures = 8192;

/**
 * Decides whether a request may read an organization's series. One token of the list that allows is enough.
 * An organization that does not exist is refused like one that the token does not allow.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #ids: Map<string, number>;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#ids = new Map(options.organizations.map(({ slug, id }) => [slug, id]));
  }

  /** @param signatures that may be made to check the tokens; a token that needs more is refused. */
  check(authorization: string | undefined, orgSlug: string, signatures = mostSignatures): Decision {
    try {
      return this.#check(authorization, orgSlug, { signatures });
    } catch (error) {
      if (error instanceof Unreadable) return refusal(503, `tokens can't be checked: ${error.message}`);
      throw error;
    }
  }

  #check(authorization: string | undefined, orgSlug: string, effort: Effort): Decision {
    const parsed = parseAuthorization(authorization, (heads) => this.#pointless(heads));
    if (!parsed.ok) return refusal(401, parsed.reason);
    const { location, clock } = this.#options;
    const access = { organization: this.#ids.get(orgSlug) ?? null, action: action.read, now: clock() / 1000 };
    const own = parsed.tokens.filter((token) => token.location === location);
    const others = parsed.tokens.filter((token) => token.location !== location);
    let best = refusal(401, 'no readable token of this location');
    for (const token of own) {
      const decision = this.#decide(token, others, access, effort);
      if (decision.ok) return decision;
      if (best.status === 401) best = decision;
    }
    return best;
  }

  /** Who has no token of ours, not even an old one, does not know the id of a key: that costs next to nothing to find out. */
  #pointless(heads: Head[]): string | null {
    const own = heads.filter((head) => head.location === this.#options.location);
    if (own.length === 0) return 'no token of this location';
    return own.some((head) => this.#key(head) !== undefined) ? null : `token ${nonceText(own[0])}: unknown key`;
  }

  #decide(token: Macaroon, discharges: Macaroon[], access: Access, effort: Effort): Decision {
    const nonce = nonceText(token);
    const key = this.#key(token);
    if (key === undefined) return refusal(401, `token ${nonce}: unknown key`);
    const verified = verify(token, key, discharges, effort);
    if (!verified.ok) return refusal(401, `token ${nonce}: ${verified.reason}`);
    if (this.#revoked(nonce)) return refusal(401, `token ${nonce}: revoked`);
    const verdict = permits(verified.caveats, access);
    // RFC 6750 3.1: a token whose time is over is no token.
    if (verdict === 'untimely') return refusal(401, `token ${nonce}: expired, or not valid yet`);
    if (verdict === 'allow' && access.organization !== null) return { ok: true };
    return refusal(403, `token ${nonce}: does not allow to read this organization`);
  }

  #key({ nonce }: Head): Uint8Array | undefined {
    return readable(() => this.#options.keys.find(nonce.kid));
  }

  #revoked(nonce: string): boolean {
    return readable(() => this.#options.revocations.has(nonce));
  }
}

/** Keys or revocations: the fault is the operator's, not the token's. */
class Unreadable extends Error {}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Unreadable((error as Error).message);
  }
}

const refusal = (status: Refusal['status'], reason: string): Refusal => ({ ok: false, status, reason });
