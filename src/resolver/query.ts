import type { promises } from 'node:dns';
import { candidates, type SearchRules } from './files.ts';
import type { Address } from './name.ts';

export type DnsClient = Pick<promises.Resolver, 'resolve4' | 'resolve6'>;

/** What DNS servers say of a name. */
export type Answer =
  /** `ttl` in seconds, the shortest of all records. */
  | { addresses: Address[]; ttl: number }
  /** `unknown`: they say that there is no such name; else they said nothing of use. */
  | { failure: string; unknown: boolean };

/** Those of one family; a string is why there are none. */
type Records = { address: string; ttl: number }[] | string;

/** Once one family is there, the other one is waited for so long (milliseconds): servers exist that drop questions for AAAA. */
const secondFamily = 250;

/** No such name; a name without such records. */
const absent = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

/**
 * Asks DNS servers for the IPv4 and IPv6 addresses of a name. The next candidate is asked for only after a clear no: one that
 * could not be asked may have the addresses, and another candidate may be another host's name.
 * @param before addresses of a family that gets no answer stay.
 */
export async function query(
  dns: DnsClient,
  name: string,
  rules: SearchRules,
  before: readonly Address[],
): Promise<Answer> {
  for (const candidate of candidates(name, rules)) {
    const [four, six] = await bothFamilies(dns, candidate);
    const records = [four, six].flatMap((each) => (typeof each === 'string' ? [] : each));
    if (records.length > 0) {
      const ttl = Math.min(...records.map((each) => each.ttl));
      return { addresses: [...ofFamily(4, four, before), ...ofFamily(6, six, before)], ttl };
    }
    for (const failure of [four, six]) {
      if (typeof failure === 'string' && !absent.has(failure)) return { failure, unknown: false };
    }
  }
  return { failure: 'ENOTFOUND', unknown: true };
}

function ofFamily(family: 4 | 6, records: Records, before: readonly Address[]): Address[] {
  if (typeof records !== 'string') return records.map(({ address }) => ({ address, family }));
  return absent.has(records) ? [] : before.filter((each) => each.family === family);
}

function bothFamilies(dns: DnsClient, name: string): Promise<[four: Records, six: Records]> {
  return new Promise((resolve) => {
    const records: [Records, Records] = ['ETIMEOUT', 'ETIMEOUT'];
    let left = 2;
    let timer: NodeJS.Timeout | undefined;
    for (const [i, asked] of [dns.resolve4(name, { ttl: true }), dns.resolve6(name, { ttl: true })].entries()) {
      const take = (result: Records): void => {
        records[i] = result;
        clearTimeout(timer);
        if (--left === 0) resolve([...records]);
        else if (typeof result !== 'string') timer = setTimeout(() => resolve([...records]), secondFamily);
      };
      asked.then(take, (error: NodeJS.ErrnoException) => take(error.code ?? 'EBADRESP'));
    }
  });
}
