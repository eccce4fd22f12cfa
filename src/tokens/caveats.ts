import { type Caveat, caveatsOf } from './macaroon.ts';
import { isInteger, type Value } from './msgpack.ts';

/** The caveats that are understood, by the numbers of Fly's public list. All others deny. */
export const caveatType = {
  organization: 0,
  apps: 3,
  validityWindow: 4,
  thirdParty: 11,
  ifPresent: 13,
  action: 26,
} as const;

/** Bits of a mask. */
export const action = { read: 1, write: 2, create: 4, delete: 8, control: 16, all: 31 } as const;

/** What is asked for: an action on an organization, never on one app of it. */
export interface Access {
  /** Null is an organization that does not exist: what names organizations denies it. */
  organization: number | null;
  action: number;
  /** Unix seconds, with fractions. */
  now: number;
}

/**
 * `unspecified`: the caveat is about something that the access does not name, such as an app. At the top that denies;
 * IfPresent passes over it. `untimely` denies, too, and says that the token's time is over or has not come.
 */
export type Verdict = 'allow' | 'deny' | 'untimely' | 'unspecified';

export const organization = (id: number, mask: number): Caveat => ({
  type: caveatType.organization,
  body: [id, mask],
});

/** Both bounds are unix seconds and inside. */
export const validityWindow = (notBefore: number, notAfter: number): Caveat => ({
  type: caveatType.validityWindow,
  body: [notBefore, notAfter],
});

export function judge({ type, body }: Caveat, access: Access): Verdict {
  switch (type) {
    case caveatType.organization:
      return judgeOrganization(body, access);
    case caveatType.apps:
      return judgeApps(body);
    case caveatType.validityWindow:
      return judgeWindow(body, access);
    case caveatType.ifPresent:
      return judgeIfPresent(body, access);
    case caveatType.action:
      return judgeMask(body, access);
    default:
      return 'deny';
  }
}

function judgeOrganization(body: Value, access: Access): Verdict {
  const [id, mask] = fields(body, 2);
  return isInteger(id) && id === access.organization ? judgeMask(mask, access) : 'deny';
}

function judgeMask(mask: Value | undefined, { action }: Access): Verdict {
  return isMask(mask) && (mask & action) === action ? 'allow' : 'deny';
}

const isMask = (value: Value | undefined): value is number =>
  typeof value === 'number' && value >= 0 && value <= 0xffff;

/** No access names an app. App 0 stands for all apps, and then alone. */
function judgeApps(body: Value): Verdict {
  const [apps] = fields(body, 1);
  if (!(apps instanceof Map) || (apps.has(0) && apps.size > 1)) return 'deny';
  for (const [id, mask] of apps) if (!isInteger(id) || id < 0 || !isMask(mask)) return 'deny';
  return 'unspecified';
}

function judgeWindow(body: Value, { now }: Access): Verdict {
  const [notBefore, notAfter] = fields(body, 2);
  if (!isInteger(notBefore) || !isInteger(notAfter)) return 'deny';
  return notBefore <= now && now <= notAfter ? 'allow' : 'untimely';
}

/** The caveats inside that are about something the access names must all allow; when there are none, the mask must. */
function judgeIfPresent(body: Value, access: Access): Verdict {
  const [list, otherwise] = fields(body, 2);
  const ifs = caveatsOf(list);
  if (ifs === undefined || !isMask(otherwise)) return 'deny';
  const verdicts = ifs.map((caveat) => judge(caveat, access)).filter((verdict) => verdict !== 'unspecified');
  if (verdicts.length === 0) return judgeMask(otherwise, access);
  return verdicts.every((verdict) => verdict === 'allow') ? 'allow' : 'deny';
}

/** The items of an array of exactly this length; none otherwise. */
const fields = (body: Value, length: number): Value[] => (Array.isArray(body) && body.length === length ? body : []);
