/** Who may ask, by token; and not too often without a good one. */

import type { IncomingMessage } from 'node:http';
import type { Log } from '../log/log.ts';
import type { TrustedPeers } from '../proxy/listener/trusted.ts';
import type { Attempts } from '../tokens/attempts.ts';
import type { Authorizer } from '../tokens/authorizer.ts';
import { type Refusal, refusal } from './refusal.ts';

export interface AuthorizationOptions {
  authorizer: Pick<Authorizer, 'check'>;
  attempts: Pick<Attempts, 'allowed' | 'failed'>;
  trusted: TrustedPeers;
  log: Log;
}

/** @returns null when the request may ask for this organisation. The answer never tells which organisations there are. */
export function authorize(request: IncomingMessage, org: string, options: AuthorizationOptions): Refusal | null {
  const { authorizer, attempts, trusted, log } = options;
  const address = addressOf(request, trusted);
  if (!attempts.allowed(address)) return tooMany;
  const decision = authorizer.check(request.headers.authorization, org);
  if (decision.ok) return null;
  attempts.failed(address);
  log.warn({ address, org, status: decision.status, reason: decision.reason }, 'a query was not authorized');
  return decision.status === 401 ? unknown : forbidden;
}

/** Behind an edge of ours, the client is who it says: it lets no client's own `Fly-Client-IP` pass. */
function addressOf({ socket, headers }: IncomingMessage, trusted: TrustedPeers): string {
  const peer = socket.remoteAddress ?? '';
  const told = headers['fly-client-ip'];
  return trusted.has(peer) && typeof told === 'string' ? told : peer;
}

const unknown = refusal(401, 'unauthorized', 'send Authorization: Bearer TOKEN, with a token that is good', {
  'WWW-Authenticate': 'Bearer',
});
const forbidden = refusal(403, 'unauthorized', 'this token does not allow to read this organization');
const tooMany = refusal(429, 'unauthorized', 'too many attempts without a good token: wait a minute', {
  'Retry-After': '60',
});
