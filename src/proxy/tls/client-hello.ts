/**
 * Reads the ClientHello before OpenSSL sees it: the server name picks certificate and versions, and Node's
 * SNICallback cannot restrict versions. Pure: parses the whole buffer anew at each call, so a result never
 * depends on how TCP split the bytes. RFC 8446 4.1.2 and 5.1, RFC 6066 3, RFC 7301 3.1.
 */

import { isIP } from 'node:net';
import { lower } from '../../base/ascii.ts';

/** Browsers send 0.5 to 2 KiB, with post-quantum shares and session tickets at most some 6; one record holds 16 KiB. */
const maxMessage = 16384;

/** Clients that mislead filters split it into a few. Each call walks them all: more would be work for a stranger's byte. */
const maxRecords = 256;

/** More bytes than this are never `incomplete`: a buffer of this size is enough. */
export const maxClientHello = maxMessage + 5 * maxRecords;

export type ClientHello =
  | { state: 'incomplete' }
  | { state: 'refused'; reason: string }
  | {
      state: 'hello';
      /** Valid host name, lower case, without trailing dot; null when there is none (or an IP address). */
      serverName: string | null;
      /** As the client prefers them. */
      alpn: string[];
      /** Wire values (0x0303 is TLS 1.2), GREASE removed; without supported_versions the one legacy_version means. */
      versions: number[];
      /** Name of the key that the session ticket was sealed with, hex (RFC 5077 4, as OpenSSL does it); null without one. */
      ticketKey: string | null;
    };

const incomplete: ClientHello = { state: 'incomplete' };
const refused = (reason: string): ClientHello => ({ state: 'refused', reason });

/** `buf[0..end)` is what the connection has sent so far. Never throws, never reads past `end`. */
export function parseClientHello(buf: Uint8Array, end: number): ClientHello {
  let head = 0; // the message's own first four bytes: type and length
  let gathered = 0;
  let needed = 0;
  for (let at = 0, records = 0; ; records++) {
    if (records === maxRecords) return refused('too many records');
    // Checked in the order of the bytes, so that a fault is found at the first byte that shows it.
    if (at < end && buf[at] !== 22) return refused(at === 0 ? 'not TLS' : 'not a handshake record');
    if (at + 1 < end && buf[at + 1] !== 3) return refused('not TLS');
    if (at + 5 > end) return incomplete;
    const length = u16(buf, at + 3);
    if (length === 0 || length > 16384) return refused('record length');
    at += 5;
    const arrived = Math.min(length, end - at);
    for (let i = 0; i < arrived && gathered + i < 4; i++) head = (head << 8) | buf[at + i];
    if (gathered === 0 && arrived > 0 && buf[at] !== 1) return refused('not a ClientHello');
    if (needed === 0 && gathered + arrived >= 4) {
      needed = 4 + (head & 0xffffff);
      if (needed > maxMessage) return refused('ClientHello too large');
    }
    // RFC 8446 5.1: nothing else may share a record with a message that precedes a key change.
    if (needed > 0 && gathered + length > needed) return refused('bytes after the ClientHello');
    if (arrived < length) return incomplete;
    at += length;
    gathered += length;
    if (gathered === needed) return parseBody(at === 5 + needed ? buf.subarray(5, at) : joinRecords(buf, at, needed));
  }
}

/** The payloads of the records in `buf[0..end)`. */
function joinRecords(buf: Uint8Array, end: number, size: number): Uint8Array {
  const message = new Uint8Array(size);
  for (let at = 0, to = 0; at < end; ) {
    const length = u16(buf, at + 3);
    message.set(buf.subarray(at + 5, at + 5 + length), to);
    at += 5 + length;
    to += length;
  }
  return message;
}

const u16 = (body: Uint8Array, at: number): number => (body[at] << 8) | body[at + 1];

/** A whole ClientHello message, its four-byte header included. */
function parseBody(body: Uint8Array): ClientHello {
  const end = body.length;
  let at = 4 + 2 + 32;
  if (at >= end) return refused('malformed ClientHello');
  const legacyVersion = u16(body, 4);
  if (body[at] > 32) return refused('malformed session id');
  at += 1 + body[at];
  if (at + 2 > end || u16(body, at) < 2 || u16(body, at) % 2 !== 0) return refused('malformed cipher suites');
  at += 2 + u16(body, at);
  if (at >= end || body[at] === 0) return refused('malformed compression methods');
  at += 1 + body[at];
  if (at > end) return refused('malformed compression methods');

  let serverName: string | null = null;
  let alpn: string[] = [];
  // RFC 8446 4.2.1: a version is negotiated above TLS 1.2 by the extension only.
  let versions: number[] = [Math.min(legacyVersion, 0x0303)];
  let ticketKey: string | null = null;
  if (at === end) return { state: 'hello', serverName, alpn, versions, ticketKey };
  if (at + 2 > end || at + 2 + u16(body, at) !== end) return refused('malformed extensions');
  const seen = new Set<number>();
  for (at += 2; at < end; ) {
    if (at + 4 > end) return refused('malformed extensions');
    const type = u16(body, at);
    const start = at + 4;
    const stop = start + u16(body, at + 2);
    if (stop > end) return refused('malformed extensions');
    if (seen.has(type)) return refused('repeated extension'); // RFC 8446 4.2
    seen.add(type);
    if (type === 0) {
      const name = readServerName(body, start, stop);
      if (name === undefined) return refused('malformed server name');
      serverName = name;
    } else if (type === 16) {
      const protocols = readAlpn(body, start, stop);
      if (protocols === undefined) return refused('malformed ALPN');
      alpn = protocols;
    } else if (type === 43) {
      const list = readVersions(body, start, stop);
      if (list === undefined) return refused('malformed supported versions');
      versions = list;
    } else if (type === 35) {
      // TLS 1.2; empty when a client wants its first ticket.
      ticketKey ??= readTicketKey(body, start, stop);
    } else if (type === 41) {
      // TLS 1.3: the first identity is the one that the client prefers (RFC 8446 4.2.11).
      ticketKey = readTicketKey(body, start + 4, Math.min(stop, start + 4 + u16(body, start + 2)));
    }
    at = stop;
  }
  return { state: 'hello', serverName, alpn, versions, ticketKey };
}

/**
 * RFC 6066 3 allows one name of a type, and defines one type: a list of anything else is malformed, to OpenSSL too.
 * Undefined: malformed; null: not a host name.
 */
function readServerName(body: Uint8Array, at: number, stop: number): string | null | undefined {
  if (at + 5 > stop || at + 2 + u16(body, at) !== stop || body[at + 2] !== 0) return undefined;
  at += 3;
  if (u16(body, at) === 0 || at + 2 + u16(body, at) !== stop) return undefined;
  return hostName(latin1(body, at + 2, stop));
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Lower case and valid (RFC 1123 2.1, underscores as in practice), or null. */
function hostName(text: string): string | null {
  const name = lower(text.endsWith('.') ? text.slice(0, -1) : text);
  if (name.length > 253 || isIP(name) !== 0) return null;
  return name.split('.').every((part) => label.test(part)) ? name : null;
}

function readAlpn(body: Uint8Array, at: number, stop: number): string[] | undefined {
  if (at + 4 > stop || at + 2 + u16(body, at) !== stop) return undefined;
  const protocols: string[] = [];
  for (at += 2; at < stop; at += 1 + body[at]) {
    const next = at + 1 + body[at];
    if (body[at] === 0 || next > stop) return undefined;
    protocols.push(latin1(body, at + 1, next));
  }
  return protocols;
}

function readVersions(body: Uint8Array, at: number, stop: number): number[] | undefined {
  if (at + 3 > stop || at + 1 + body[at] !== stop || body[at] % 2 !== 0) return undefined;
  const versions: number[] = [];
  for (at += 1; at < stop; at += 2) {
    const version = u16(body, at);
    // GREASE (RFC 8701): 0x0a0a, 0x1a1a, … are there to be ignored.
    if ((version & 0x0f0f) !== 0x0a0a || body[at] !== body[at + 1]) versions.push(version);
  }
  return versions;
}

/** A ticket begins with its key's name of 16 bytes. What is shorter is none of ours: OpenSSL judges it. */
function readTicketKey(body: Uint8Array, at: number, stop: number): string | null {
  return at + 16 > stop ? null : Buffer.from(body.buffer, body.byteOffset + at, 16).toString('hex');
}

const latin1 = (body: Uint8Array, from: number, to: number): string =>
  Buffer.from(body.buffer, body.byteOffset + from, to - from).toString('latin1');
