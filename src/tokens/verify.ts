import { timingSafeEqual } from 'node:crypto';
import { type Access, caveatType, judge } from './caveats.ts';
import { type Caveat, chain, type Macaroon } from './macaroon.ts';
import { thirdPartyOf, unseal } from './third-party.ts';

/** Signatures that may still be made to check what a stranger sent. */
export interface Effort {
  signatures: number;
}

export type Verified =
  | { ok: true; caveats: Caveat[] }
  /** `reason` is for logs. */
  | { ok: false; reason: string };

/**
 * Whether the token was signed with this key, and discharged by some of `discharges` where a third party must be.
 * The caveats to judge are its own and those of the discharges, without the third-party ones, which hold.
 * @param effort what is left of it; each token takes one for itself and one for each caveat.
 */
export function verify(
  macaroon: Macaroon,
  key: Uint8Array,
  discharges: Macaroon[],
  effort: Effort = { signatures: Infinity },
): Verified {
  effort.signatures -= 1 + macaroon.caveats.length;
  if (effort.signatures < 0) return { ok: false, reason: 'too many signatures to check' };
  const { before, tail } = chain(macaroon, key);
  if (!same(tail, macaroon.tail)) return { ok: false, reason: 'wrong signature' };
  const caveats: Caveat[] = [];
  for (const [i, caveat] of macaroon.caveats.entries()) {
    if (caveat.type !== caveatType.thirdParty) {
      caveats.push(caveat);
      continue;
    }
    const discharged = discharge(caveat, before[i], discharges, effort);
    if (!discharged.ok) return discharged;
    caveats.push(...discharged.caveats);
  }
  return { ok: true, caveats };
}

/** The first discharge with this ticket that verifies. A discharge that itself needs one is refused, as Fly does. */
function discharge(caveat: Caveat, mac: Uint8Array, discharges: Macaroon[], effort: Effort): Verified {
  const party = thirdPartyOf(caveat);
  const key = party && unseal(mac, party.verifierKey);
  if (party === undefined || key === undefined) return { ok: false, reason: 'unreadable third-party caveat' };
  for (const each of discharges) {
    // The location is not signed: without this rule a discharge could be spelled in many ways.
    if (each.location !== party.location || !same(each.nonce.kid, party.ticket)) continue;
    const verified = verify(each, key, [], effort);
    if (verified.ok || effort.signatures < 0) return verified;
  }
  return { ok: false, reason: 'no discharge for its third-party caveat' };
}

/** All caveats must allow. The verdict of a token whose time is not now comes before all others. */
export function permits(caveats: Caveat[], access: Access): 'allow' | 'deny' | 'untimely' {
  const verdicts = caveats.map((caveat) => judge(caveat, access));
  if (verdicts.includes('untimely')) return 'untimely';
  return verdicts.every((verdict) => verdict === 'allow') ? 'allow' : 'deny';
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);
