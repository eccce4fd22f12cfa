/** The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt specifies it; sections are that text's. */

import { isIPv4, isIPv6 } from 'node:net';
import { ipBytes, ipv4Text, ipv6Text, unmapped } from './ip.ts';

export interface Endpoint {
  address: string;
  port: number;
}

export type ProxyHeader =
  | { state: 'incomplete' }
  /** The first bytes cannot be a header. */
  | { state: 'none' }
  | { state: 'refused'; reason: string }
  /** `length` bytes are the header's. The ends are null when the real ones are to be used: UNKNOWN, LOCAL, not TCP/IP. */
  | { state: 'header'; length: number; source: Endpoint | null; destination: Endpoint | null };

const incomplete: ProxyHeader = { state: 'incomplete' };
const none: ProxyHeader = { state: 'none' };
const refused = (reason: string): ProxyHeader => ({ state: 'refused', reason });

const text = Buffer.from('PROXY');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** 2.1: the longest line, its CRLF included. */
const maxLine = 107;
/**
 * 2.2: the most bytes after the first 16. The sender may write 64 KiB of TLVs, but is also asked for less than an MSS: room
 * for a client certificate's names.
 */
const maxBody = 4096;
/** 2.2: the families and transports that there are; a receiver must drop what presents any other value. */
const families = new Set([0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]);

/** `buf[0..end)` is what the connection has sent so far. Never throws; the result does not depend on how it was split. */
export function parseProxyHeader(buf: Uint8Array, end: number): ProxyHeader {
  if (end === 0) return incomplete;
  const magic = buf[0] === text[0] ? text : signature;
  for (let i = 0; i < Math.min(end, magic.length); i++) if (buf[i] !== magic[i]) return none;
  if (end < magic.length) return incomplete;
  return magic === text ? parseLine(buf, end) : parseBinary(buf, end);
}

/** 2.1: decoded when its CRLF is there; a CR or LF alone ends nothing. */
function parseLine(buf: Uint8Array, end: number): ProxyHeader {
  const limit = Math.min(end, maxLine);
  for (let i = text.length; i < limit; i++) {
    if (buf[i] === 10) return refused('LF without CR');
    if (buf[i] !== 13) continue;
    if (i + 1 === maxLine) break;
    if (i + 1 === end) return incomplete;
    if (buf[i + 1] !== 10) return refused('CR without LF');
    return decodeLine(Buffer.from(buf.buffer, buf.byteOffset, i).toString('latin1'), i + 2);
  }
  return end >= maxLine ? refused('line too long') : incomplete;
}

function decodeLine(line: string, length: number): ProxyHeader {
  const [, protocol, from, to, fromPort, toPort, ...more] = line.split(' ');
  // Whatever follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { state: 'header', length, source: null, destination: null };
  if (!line.startsWith('PROXY ') || more.length > 0 || toPort === undefined) return refused('malformed line');
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6Address : null;
  if (isAddress === null) return refused('unknown protocol');
  if (!isAddress(from) || !isAddress(to)) return refused('malformed address');
  if (!isPort(fromPort) || !isPort(toPort)) return refused('malformed port');
  return {
    state: 'header',
    length,
    source: { address: from, port: Number(fromPort) },
    destination: { address: to, port: Number(toPort) },
  };
}

/** A dotted end (`::ffff:1.2.3.4`) is beyond the specification, but nginx writes it. A zone means nothing here. */
const isIPv6Address = (value: string): boolean => isIPv6(value) && !value.includes('%');

const isPort = (value: string): boolean => /^(?:0|[1-9]\d{0,4})$/.test(value) && Number(value) <= 65535;

/** 2.2. TLVs are skipped. */
function parseBinary(buf: Uint8Array, end: number): ProxyHeader {
  if (end > 12) {
    if (buf[12] >> 4 !== 2) return refused('unknown version');
    if ((buf[12] & 15) > 1) return refused('unknown command');
  }
  const local = (buf[12] & 15) === 0; // its family is ignored
  if (end > 13 && !local && !families.has(buf[13])) return refused('unknown family');
  if (end < 16) return incomplete;
  const body = (buf[14] << 8) | buf[15];
  if (body > maxBody) return refused('header too long');
  const length = 16 + body;
  const size = local || (buf[13] & 15) !== 1 ? 0 : buf[13] >> 4 === 1 ? 4 : buf[13] >> 4 === 2 ? 16 : 0;
  if (size > 0 && length < 16 + 2 * size + 4) return refused('address block too short');
  if (end < length) return incomplete;
  if (size === 0) return { state: 'header', length, source: null, destination: null };
  const address = size === 4 ? ipv4Text : ipv6Text;
  const ports = 16 + 2 * size;
  return {
    state: 'header',
    length,
    source: { address: address(buf, 16), port: (buf[ports] << 8) | buf[ports + 1] },
    destination: { address: address(buf, 16 + size), port: (buf[ports + 2] << 8) | buf[ports + 3] },
  };
}

/**
 * The header for an instance. Both ends of IPv4 (an IPv4-mapped IPv6 address is IPv4) make TCP4, else both are written
 * as IPv6. An end that is null or no IP address makes UNKNOWN or LOCAL, which every receiver accepts (2.2).
 */
export function encodeProxyHeader(version: 1 | 2, source: Endpoint | null, destination: Endpoint | null): Buffer {
  let from = source === null ? null : ipBytes(unmapped(source.address));
  let to = destination === null ? null : ipBytes(unmapped(destination.address));
  if (source === null || destination === null || from === null || to === null) {
    return version === 1 ? Buffer.from('PROXY UNKNOWN\r\n') : Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);
  }
  if (from.length !== to.length) {
    from = mapped(from);
    to = mapped(to);
  }
  const four = from.length === 4;
  if (version === 1) {
    const address = four ? ipv4Text : ipv6Text;
    const ends = `${address(from, 0)} ${address(to, 0)} ${source.port} ${destination.port}`;
    return Buffer.from(`PROXY ${four ? 'TCP4' : 'TCP6'} ${ends}\r\n`);
  }
  const ports = Buffer.from([source.port >> 8, source.port, destination.port >> 8, destination.port]);
  const head = Buffer.from([0x21, four ? 0x11 : 0x21, 0, 2 * from.length + 4]);
  return Buffer.concat([signature, head, from, to, ports]);
}

/** RFC 4291 2.5.5.2. */
function mapped(bytes: Buffer): Buffer {
  return bytes.length === 16 ? bytes : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), bytes]);
}
