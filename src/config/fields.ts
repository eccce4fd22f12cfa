import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { decimal, lower } from '../base/ascii.ts';
import { normalHost } from '../base/authority.ts';
import {
  formatAddress,
  isHostName,
  parseAddress,
  parseHostPort,
  parseInstanceAddress,
  parseListen,
} from './address.ts';
import { longestDelay, parseDuration, parseGoDuration } from './duration.ts';

/**
 * The kinds of values that both files are made of. Each takes or has one instruction, what to write, which is the
 * message of every issue of that value: the check puts the key and what stands there before it.
 */

/** A table with exactly these keys. The message of unknown ones is the known ones, for the check to suggest from. */
export function table<T extends z.core.$ZodShape>(shape: T) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? known.join(' ') : `a table with the keys ${known.join(', ')}`,
  });
}

export const list = <T extends z.ZodType>(item: T, instruction: string) => z.array(item, instruction);
export const flag = z.boolean('true or false');

export function integer(least: number, most: number, what = 'an integer') {
  const instruction = `${what} from ${least} to ${most}`;
  return z.int(instruction).min(least, instruction).max(most, instruction);
}

export const port = integer(1, 65535, 'a port');
/** Bounds that no one meets in earnest, but that keep sums exact. */
export const count = (least: number) => integer(least, 1_000_000_000);

/** A string in a form that `parse` understands; undefined when it does not. */
export function parsed<T>(instruction: string, parse: (text: string) => T | undefined) {
  return z.string(instruction).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: instruction, input: text });
    return z.NEVER;
  });
}

export const matching = (pattern: RegExp, instruction: string) => z.string(instruction).regex(pattern, instruction);
export const text = matching(/^[^\0]+$/, 'a string that is not empty');

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: () => `one of ${values.map((value) => `"${value}"`).join(', ')}` });
}

const atLeast = (least: number, parse: (text: string) => number | undefined) => (text: string) => {
  const value = parse(text);
  return value !== undefined && value >= least ? value : undefined;
};

export const duration = parsed('a duration such as "250ms", "30s", "5m" or "1h"', atLeast(1, parseDuration));

/** A check's time: a duration as Go writes it, or an integer of milliseconds. */
export function checkTime(least: 0 | 1) {
  const instruction = 'a duration such as "15s", or an integer of milliseconds';
  return z.union(
    [
      z.int(instruction).min(least, instruction).max(longestDelay, instruction),
      parsed(instruction, atLeast(least, parseGoDuration)),
    ],
    instruction,
  );
}

/** An option of http_options: an integer of seconds, in milliseconds. */
export const seconds = integer(1, Math.floor(longestDelay / 1000), 'whole seconds').transform((value) => value * 1000);

/** In the form that Host and server names are compared in; `*.` may stand for one or more labels, `*` alone for any. */
export function parseHostname(text: string): string | undefined {
  if (text === '*') return text;
  const wildcard = text.startsWith('*.') ? '*.' : '';
  const rest = text.slice(wildcard.length);
  const host = normalHost(isIPv6(rest) ? `[${rest}]` : rest);
  if (host === null) return undefined;
  if (host.startsWith('[')) return wildcard === '' ? host : undefined;
  return isHostName(host) ? wildcard + host : undefined;
}

export const hostname = parsed(
  'a host name such as "demo.test" or "*.demo.test", or an IP address, without port',
  parseHostname,
);

/** One by which a server of our own is asked for. */
export const ownName = parsed('a host name such as "edge" or "metrics.example.com", without port', (text) => {
  const name = parseHostname(text);
  return name?.startsWith('*') ? undefined : name;
});

export const listenInstruction = (example: string) => `an IP address and a port, such as "${example}"`;
export const listen = (example: string) => parsed(listenInstruction(example), parseListen);

export const instanceAddress = parsed(
  '"host" or "host:port", an IPv6 address in brackets and without zone, or "unix:" and the path of a socket',
  parseInstanceAddress,
);
/** The address of what is scraped, from another machine perhaps. */
export const hostPort = parsed('"host:port", an IPv6 address in brackets and without zone', (text) => {
  const address = parseHostPort(text);
  return address === undefined || address.host.includes('%') ? undefined : formatAddress(address);
});

/** As `dns.setServers` takes it. */
export const dnsServer = parsed(
  'an IP address such as "10.0.0.2" or "127.0.0.1:5353", IPv6 in brackets with a port',
  (text) => {
    if (isIP(text) !== 0) return text;
    const address = parseAddress(text);
    if (address === undefined || isIP(address.host) === 0) return undefined;
    return address.port === null ? address.host : formatAddress({ host: address.host, port: address.port });
  },
);

export const domain = parsed('a domain such as "svc.cluster.local"', (text) => {
  const name = lower(text).replace(/\.$/, '');
  return isHostName(name) ? name : undefined;
});

export const ipAddress = z
  .string('an IP address such as "127.0.0.1" or "0.0.0.0"')
  .refine((text) => isIP(text) !== 0, 'an IP address such as "127.0.0.1" or "0.0.0.0"');

/** `address/bits`; an address alone is itself only. */
export const cidr = parsed('an address range such as "10.0.0.0/8" or "fd00::/8"', (text) => {
  const [address = '', bits, ...rest] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] as number;
  if (most === -1 || rest.length > 0) return undefined;
  const length = bits === undefined ? most : decimal(bits, most);
  return length === -1 ? undefined : `${address}/${length}`;
});

export const appName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const appNameInstruction = '1 to 63 lowercase letters, digits or hyphens, such as "demo"';
