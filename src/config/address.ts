/** Addresses as configuration files and options have them. */

import { isIP, isIPv4, isIPv6 } from 'node:net';
import { lower } from '../base/ascii.ts';

const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const hostName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`);

export const isHostName = (text: string): boolean => hostName.test(text);

export interface Address {
  host: string;
  port: number;
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
export function parseAddress(text: string): { host: string; port: number | null } | undefined {
  const parts = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const host = parts.v6 ?? lower(parts.name!);
  // A final dot says that a name is whole (RFC 1034 3.1).
  if (parts.v6 !== undefined ? !isIPv6(host) : !isHostName(host.replace(/\.$/, ''))) return undefined;
  // A name of digits and dots alone is meant as an IPv4 address.
  if (parts.v6 === undefined && /^[\d.]+$/.test(host) && !isIPv4(host)) return undefined;
  const number = parts.port === undefined ? null : Number(parts.port);
  return number === null || (number >= 1 && number <= 65535) ? { host, port: number } : undefined;
}

export function parseHostPort(text: string): Address | undefined {
  const address = parseAddress(text);
  return address === undefined || address.port === null ? undefined : { host: address.host, port: address.port };
}

/** Where to listen: an IP address, or `localhost`, and a port. */
export function parseListen(text: string): Address | undefined {
  const address = parseHostPort(text);
  if (address?.host === 'localhost') return { ...address, host: '127.0.0.1' };
  return address !== undefined && isIP(address.host) !== 0 ? address : undefined;
}

/** An instance's: as above, or a unix socket. */
export type InstanceAddress = { host: string; port: number | null } | { path: string };

/** `unix:` and a path. What is written as an address of Linux' abstract sockets is none. */
const unixPath = /^unix:(?!@)(.+)$/;

/** An address with a zone (`%eth0`) means something on one machine only, and a scraper may be on another. */
export function parseInstanceAddress(text: string): InstanceAddress | undefined {
  const path = unixPath.exec(text)?.[1];
  if (path !== undefined) return { path };
  const address = parseAddress(text);
  return address?.host.includes('%') ? undefined : address;
}

/** Where an instance is, in one line: `host:port`, or `unix:` and the path of its socket. */
export const addressOf = ({ host, port, path }: Address & { path?: string | undefined }): string =>
  path === undefined ? formatAddress({ host, port }) : `unix:${path}`;

export const formatAddress = ({ host, port }: Address): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;

/** @param hostname of a URL, which writes addresses in one form. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
