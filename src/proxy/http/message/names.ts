import { lower } from '../../../base/ascii.ts';
import { MARK, TOKEN } from './bytes.ts';

/** Field names that the proxy knows. Ids stay below 32: a head keeps the seen ones in one bit set. */
export const Id = {
  other: 0,
  host: 1,
  connection: 2,
  keepAlive: 3,
  proxyConnection: 4,
  te: 5,
  trailer: 6,
  transferEncoding: 7,
  upgrade: 8,
  contentLength: 9,
  expect: 10,
  /** Any `Fly-*` that has no id of its own. */
  fly: 11,
  xForwardedFor: 12,
  xForwardedProto: 13,
  xForwardedPort: 14,
  xForwardedSsl: 15,
  xRequestStart: 16,
  via: 17,
  server: 18,
  date: 19,
  flyClientIp: 20,
  xForwardedHost: 21,
  /** Any `X-Forwarded-*` that has no id of its own. */
  xForwarded: 22,
  xRealIp: 23,
  forwarded: 24,
  http2Settings: 25,
  maxForwards: 29,
  contentType: 30,
  /** Names that are another spelling (see `canonical`) of one that frames the message, is hop-by-hop, or is ours. */
  oddFraming: 26,
  oddHop: 27,
  oddOwn: 28,
} as const;

/** What the proxy does about a name, whatever its spelling. */
export const Flag = {
  /** Goes no further than this connection (RFC 9110 7.6.1). */
  hop: 1,
  /** Says where the message ends. */
  framing: 2,
  /** The edge sets it: what others say does not pass. */
  own: 4,
  /** Says who the client is or what it asked for: passes from trusted proxies alone. */
  claim: 8,
  /** It is of no use, or of danger, after the content: routing, controls, authentication, control data (RFC 9110 6.5.1). */
  head: 16,
  /** The edge writes anew what came: nobody may be told twice. */
  anew: 32,
} as const;

const { hop, framing, own, claim, head, anew } = Flag;

/** The one table of names. Those with `Id.other` are looked at in trailers only. */
const names: readonly (readonly [name: string, id: number, flags: number])[] = [
  ['host', Id.host, head],
  ['connection', Id.connection, hop],
  ['keep-alive', Id.keepAlive, hop],
  ['proxy-connection', Id.proxyConnection, hop],
  ['te', Id.te, hop],
  ['trailer', Id.trailer, hop],
  ['transfer-encoding', Id.transferEncoding, framing],
  ['upgrade', Id.upgrade, hop],
  ['http2-settings', Id.http2Settings, hop],
  ['content-length', Id.contentLength, framing],
  ['expect', Id.expect, head],
  ['content-type', Id.contentType, head],
  ['x-forwarded-for', Id.xForwardedFor, own],
  ['x-forwarded-proto', Id.xForwardedProto, own],
  ['x-forwarded-port', Id.xForwardedPort, own],
  ['x-forwarded-ssl', Id.xForwardedSsl, own],
  ['x-forwarded-host', Id.xForwardedHost, own],
  ['x-forwarded-', Id.xForwarded, claim],
  ['x-real-ip', Id.xRealIp, claim],
  ['forwarded', Id.forwarded, claim],
  ['x-request-start', Id.xRequestStart, own],
  ['via', Id.via, head],
  ['max-forwards', Id.maxForwards, head | anew],
  ['server', Id.server, head],
  ['date', Id.date, head],
  ['fly-client-ip', Id.flyClientIp, own],
  ['fly-', Id.fly, own],
  ...(
    'age authorization cache-control content-encoding content-range cookie expires if-match ' +
    'if-modified-since if-none-match if-range if-unmodified-since location pragma proxy-authenticate ' +
    'proxy-authentication-info proxy-authorization range retry-after set-cookie vary warning www-authenticate'
  )
    .split(' ')
    .map((name) => [name, Id.other, head] as const),
];

const flagsByName = new Map(names.map(([name, , flags]) => [name, flags]));
/** By id. */
export const flagsOf = new Uint8Array(32);
for (const [, id, flags] of names) if (id !== Id.other) flagsOf[id] = flags;

/**
 * A name as gateway interfaces see it: in lower case, every character but letters and digits read as `-`. CGI, WSGI and
 * their like make one variable of `X-Real-IP`, `X_Real_IP` and `X.Real.IP` (RFC 3875 4.1.18; servers fold more than `_`).
 */
export const canonical = (name: string): string => lower(name).replace(/[^a-z0-9]/g, '-');

/** The flags of a name in any spelling. */
export function flagsOfName(name: string): number {
  const folded = canonical(name);
  const flags = flagsByName.get(folded);
  if (flags !== undefined) return flags;
  if (folded.startsWith('fly-')) return own;
  return folded.startsWith('x-forwarded-') ? claim : 0;
}

/** Length, first and last letter but one find the one name that it may be. */
const slotOf = (length: number, first: number, late: number): number => (length + first + late * 7) & 255;

/** All names in one table, each at `WIDTH` times its id: no object to load on the way to a byte. */
const WIDTH = 32;
const slots = new Uint8Array(256);
const lengths = new Uint8Array(32);
const spelled = new Uint8Array(32 * WIDTH);
for (const [name, id] of names) {
  if (id === Id.other) continue;
  for (let i = 0; i < name.length; i++) spelled[WIDTH * id + i] = name.charCodeAt(i);
  lengths[id] = name.length;
  if (name.endsWith('-')) continue;
  const slot = slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 2));
  if (slots[slot] !== 0) throw new Error(`field names share slot ${slot}: ${name}`);
  slots[slot] = id;
}

/**
 * The id of the field name in buf[start,end), in any case; `Id.other` when it is not known.
 * @param bits all its bytes' `TOKEN`, or-ed: a name with marks other than `-` is looked at in its canonical spelling.
 */
export function identify(buf: Uint8Array, start: number, end: number, bits: number): number {
  if ((bits & MARK) !== 0) return identifyOdd(buf, start, end);
  const length = end - start;
  const first = TOKEN[buf[start]];
  const id = slots[slotOf(length, first, TOKEN[buf[end - 2]])];
  if (id !== 0 && lengths[id] === length && isSpelled(buf, start, length, id)) return id;
  if (first === F) return length >= 4 && isSpelled(buf, start, 4, Id.fly) ? Id.fly : Id.other;
  if (first === X) return length >= 12 && isSpelled(buf, start, 12, Id.xForwarded) ? Id.xForwarded : Id.other;
  return Id.other;
}

const F = 0x66;
const X = 0x78;

function isSpelled(buf: Uint8Array, start: number, length: number, id: number): boolean {
  const at = WIDTH * id;
  for (let i = 0; i < length; i++) if (TOKEN[buf[start + i]] !== spelled[at + i]) return false;
  return true;
}

function identifyOdd(buf: Uint8Array, start: number, end: number): number {
  let name = '';
  for (let i = start; i < end; i++) name += String.fromCharCode(buf[i]);
  const flags = flagsOfName(name);
  if ((flags & framing) !== 0) return Id.oddFraming;
  if ((flags & hop) !== 0) return Id.oddHop;
  return (flags & (own | claim | anew)) !== 0 ? Id.oddOwn : Id.other;
}
