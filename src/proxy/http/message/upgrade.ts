import { lower, members } from '../../../base/ascii.ts';
import { carriesHttp } from '../../../base/upgrade.ts';
import { isToken } from './connection-options.ts';

/** `name` or `name/version` (RFC 9110 7.8). */
const isProtocol = (member: string): boolean => {
  const parts = member.split('/');
  return parts.length <= 2 && parts.every(isToken);
};

/**
 * What of a client's `Upgrade` goes on: the protocols that the app takes, in any version unless it names one; '' for none.
 * @param allowed in lower case
 */
export const allowedUpgrades = (list: string, allowed: readonly string[]): string =>
  members(list)
    .filter((member) => {
      if (!isProtocol(member) || carriesHttp(member)) return false;
      const protocol = lower(member);
      return allowed.includes(protocol) || allowed.includes(protocol.split('/', 1)[0]!);
    })
    .join(', ');

/** Whether a 101 switches to what was asked for, and to nothing else. */
export function isOffered(answered: string, offered: string): boolean {
  const asked = members(lower(offered));
  const protocols = members(lower(answered)).filter((member) => member !== '');
  return offered !== '' && protocols.length > 0 && protocols.every((protocol) => asked.includes(protocol));
}
