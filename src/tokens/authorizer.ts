import { type Access, action } from './caveats.ts';
import { parseAuthorization } from './header.ts';
import { type Macaroon, nonceText } from './macaroon.ts';
import { permits, verify } from './verify.ts';

export interface AuthorizerOptions {
  /** Both may throw a sentence when their file can't be read. */
  keys: { find(kid: Uint8Array): Uint8Array | undefined };
  revocations: { has(nonce: string): boolean };
  organizations: readonly { slug: string; id: number }[];
  /** Of the tokens issued here; all others can only be discharges. */
  location: string;
  /** Milliseconds since 1970. */
  clock: () => number;
}

export type Decision =
  | { ok: true }
  /** 401: no token that is good for anything, 403: none that allows this. `reason` is for logs: never has the token. */
  | { ok: false; status: 401 | 403; reason: string };

type Refusal = Extract<Decision, { ok: false }>;

/**
 * Decides whether a request may read an organisation's series. One token of the list that allows is enough.
 * An organisation that does not exist is refused like one that the token does not allow.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #ids: Map<string, number>;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#ids = new Map(options.organizations.map(({ slug, id }) => [slug, id]));
  }

  /** Never throws: what can't be checked is refused. */
  check(authorization: string | undefined, orgSlug: string): Decision {
    const parsed = parseAuthorization(authorization);
    if (!parsed.ok) return refusal(401, parsed.reason);
    const { location, clock } = this.#options;
    const access = { organization: this.#ids.get(orgSlug) ?? null, action: action.read, now: clock() / 1000 };
    const own = parsed.tokens.filter((token) => token.location === location);
    const others = parsed.tokens.filter((token) => token.location !== location);
    let best = refusal(401, 'no token of this location');
    for (const token of own) {
      const decision = this.#decide(token, others, access);
      if (decision.ok) return decision;
      if (best.status === 401) best = decision;
    }
    return best;
  }

  #decide(token: Macaroon, discharges: Macaroon[], access: Access): Decision {
    const nonce = nonceText(token);
    try {
      const key = this.#options.keys.find(token.nonce.kid);
      if (key === undefined) return refusal(401, `token ${nonce}: unknown key`);
      const verified = verify(token, key, discharges);
      if (!verified.ok) return refusal(401, `token ${nonce}: ${verified.reason}`);
      if (this.#options.revocations.has(nonce)) return refusal(401, `token ${nonce}: revoked`);
      const verdict = permits(verified.caveats, access);
      // RFC 6750 3.1: a token whose time is over is no token.
      if (verdict === 'untimely') return refusal(401, `token ${nonce}: expired, or not valid yet`);
      if (verdict === 'allow' && access.organization !== null) return { ok: true };
      return refusal(403, `token ${nonce}: does not allow to read this organization`);
    } catch (error) {
      return refusal(401, `tokens can't be checked: ${(error as Error).message}`);
    }
  }
}

const refusal = (status: 401 | 403, reason: string): Refusal => ({ ok: false, status, reason });
