import { TOKEN } from './bytes.ts';

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
  maxForwards: 21,
} as const;

const names: readonly (readonly [string, number])[] = [
  ['host', Id.host],
  ['connection', Id.connection],
  ['keep-alive', Id.keepAlive],
  ['proxy-connection', Id.proxyConnection],
  ['te', Id.te],
  ['trailer', Id.trailer],
  ['transfer-encoding', Id.transferEncoding],
  ['upgrade', Id.upgrade],
  ['content-length', Id.contentLength],
  ['expect', Id.expect],
  ['x-forwarded-for', Id.xForwardedFor],
  ['x-forwarded-proto', Id.xForwardedProto],
  ['x-forwarded-port', Id.xForwardedPort],
  ['x-forwarded-ssl', Id.xForwardedSsl],
  ['x-request-start', Id.xRequestStart],
  ['via', Id.via],
  ['server', Id.server],
  ['date', Id.date],
  ['fly-client-ip', Id.flyClientIp],
  ['max-forwards', Id.maxForwards],
];

/** Length, first and last letter find the one name that it may be. */
const slotOf = (length: number, first: number, last: number): number => (length * 5 + first * 3 + last * 7) & 255;

/** All names in one table, each at `WIDTH` times its id: no object to load on the way to a byte. */
const WIDTH = 32;
const slots = new Uint8Array(256);
const lengths = new Uint8Array(32);
const spelled = new Uint8Array(32 * WIDTH);
for (const [name, id] of names) {
  for (let i = 0; i < name.length; i++) spelled[WIDTH * id + i] = name.charCodeAt(i);
  lengths[id] = name.length;
  const slot = slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
  if (slots[slot] !== 0) throw new Error(`field names share slot ${slot}: ${name}`);
  slots[slot] = id;
}

/** The id of the field name in buf[start,end), in any case; `Id.other` when it is not known. */
export function identify(buf: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const first = TOKEN[buf[start]];
  const id = slots[slotOf(length, first, TOKEN[buf[end - 1]])];
  if (id !== 0 && lengths[id] === length) {
    const at = WIDTH * id - start;
    let i = start;
    while (i < end && TOKEN[buf[i]] === spelled[at + i]) i++;
    if (i === end) return id;
  }
  return first === F && isFly(buf, start, length) ? Id.fly : Id.other;
}

const F = 0x66;
const isFly = (buf: Uint8Array, start: number, length: number): boolean =>
  length >= 4 && TOKEN[buf[start + 1]] === 0x6c && TOKEN[buf[start + 2]] === 0x79 && buf[start + 3] === 0x2d;
