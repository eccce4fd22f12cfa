/** Who may ask, by token; and not too often without a good one. */

import type { IncomingMessage } from 'node:http';
import { readChain } from '../base/forwarded-for.ts';
import { normalAddress } from '../base/ip.ts';
import type { TrustedPeers } from '../base/trusted.ts';
import type { Log } from '../log/log.ts';
import type { Seldom } from '../log/seldom.ts';
import type { Attempts } from '../tokens/attempts.ts';
import type { Authorizer } from '../tokens/authorizer.ts';
import { type Refusal, refusal } from './refusal.ts';

export interface AuthorizationOptions {
  authorizer: Pick<Authorizer, 'check'>;
  attempts: Pick<Attempts, 'allowed' | 'failed'>;
  trusted: TrustedPeers;
  /** Whether their `Fly-Client-IP` is believed. */
  flyClientIp: boolean;
  log: Log;
  /** Bounds the lines about files that can't be read. */
  seldom: Seldom;
}

/**
 * What a token with its discharges may take to check, in signatures, when it comes from an address that has failed too often. Far
 * more than people's tokens do, and a millisecond.
 */
const fewSignatures = 256;

/**
 * Failures are limited, and tokens that are good are not: behind one address there may be many.
 * @returns null when the request may ask for this organization. The answer never tells which organizations there are.
 */
export function authorize(request: IncomingMessage, org: string, options: AuthorizationOptions): Refusal | null {
  const { authorizer, attempts, log, seldom } = options;
  const address = clientOf(request, options);
  const allowed = attempts.allowed(address);
  const decision = authorizer.check(request.headers.authorization, org, allowed ? undefined : fewSignatures);
  if (decision.ok) return null;
  const { status, reason } = decision;
  if (status === 503) {
    const leftOut = seldom.due();
    if (leftOut !== null) log.error({ reason, leftOut }, 'queries are not answered');
    return unreadable;
  }
  if (allowed) {
    attempts.failed(address);
    log.warn({ address, org, status, reason }, 'a query was not authorized');
  }
  if (status === 403) return forbidden;
  return allowed ? unknown : tooMany;
}

/** Who asks, as the edge tells it too: by the word of a trusted proxy, where one is in front. */
function clientOf({ socket, headers }: IncomingMessage, { trusted, flyClientIp }: AuthorizationOptions): string {
  const peer = socket.remoteAddress ?? '';
  if (!trusted.has(peer)) return peer;
  // Node joins repeated fields: then this one is no address.
  const told = flyClientIp ? normalAddress(String(headers['fly-client-ip'] ?? '')) : null;
  return told ?? readChain(String(headers['x-forwarded-for'] ?? ''), peer, trusted).client;
}

const unknown = refusal(401, 'bad_data', 'send Authorization: Bearer TOKEN, with a token that is good', {
  'WWW-Authenticate': 'Bearer',
});
const forbidden = refusal(403, 'bad_data', 'this token does not allow to read this organization');
const tooMany = refusal(429, 'unavailable', 'too many attempts without a good token: wait a minute', {
  'Retry-After': '60',
});
const unreadable = refusal(503, 'unavailable', 'tokens cannot be checked at the moment: try again later', {
  'Retry-After': '10',
});
