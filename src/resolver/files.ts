/** What `/etc/hosts` and `/etc/resolv.conf` say: hosts(5), resolv.conf(5). */

import { isIPv4, isIPv6 } from 'node:net';
import { decimal, lower } from '../base/ascii.ts';
import { normalAddress } from '../base/ip.ts';
import type { Address } from './name.ts';

/** How names become those that DNS servers are asked for. */
export interface SearchRules {
  search: readonly string[];
  /** A name with fewer dots is looked for in `search` first. */
  ndots: number;
}

/** What glibc takes at most. */
const mostDots = 15;

/** Lines of words; a comment begins with one of `comments`, anywhere. */
const lines = (text: string, comments: RegExp): string[][] =>
  text.split('\n').map((line) => line.replace(comments, '').match(/[^ \t\r]+/g) ?? []);

/** Addresses by name, in the file's order; a name may stand in several lines. */
export function parseHosts(text: string): Map<string, Address[]> {
  const hosts = new Map<string, Address[]>();
  for (const [first = '', ...names] of lines(text, /#.*$/)) {
    const family = isIPv4(first) ? 4 : isIPv6(first) ? 6 : 0;
    if (family === 0) continue;
    // As a socket tells it; one with a zone stays as it is written.
    const address = normalAddress(first) ?? first;
    for (const name of names.map((each) => lower(each).replace(/\.$/, ''))) {
      const known = hosts.get(name);
      const entry: Address = { address, family: isIPv4(address) ? 4 : 6 };
      if (known === undefined) hosts.set(name, [entry]);
      else if (!known.some((each) => each.address === address)) known.push(entry);
    }
  }
  return hosts;
}

/** @param hostname of this machine, whose domain is searched where the file names none. */
export function parseResolvConf(text: string, hostname: string): SearchRules {
  const dot = hostname.indexOf('.');
  let search = dot < 0 ? [] : [hostname.slice(dot + 1)];
  let ndots = 1;
  for (const [keyword = '', ...words] of lines(text, /[#;].*$/)) {
    // The last of several lines with either counts.
    if (keyword === 'search') search = words;
    else if (keyword === 'domain') search = words.slice(0, 1);
    else if (keyword === 'options') {
      for (const word of words) {
        const dots = word.startsWith('ndots:') ? decimal(word.slice('ndots:'.length)) : -1;
        if (dots >= 0) ndots = Math.min(dots, mostDots);
      }
    }
  }
  return { search: search.map((domain) => lower(domain).replace(/\.$/, '')).filter((domain) => domain !== ''), ndots };
}

/** What DNS servers are asked for, in this order, until one is found. A final dot says that the name is whole. */
export function candidates(name: string, { search, ndots }: SearchRules): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const found = search.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= ndots ? [name, ...found] : [...found, name];
}

/** RFC 6761 6.3: always this machine, whatever anybody says. */
export const isLocal = (name: string): boolean => /(^|\.)localhost\.?$/.test(name);
