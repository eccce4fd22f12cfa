/**
 * MessagePack, as far as tokens need it, in its one canonical form: the shortest integers and lengths, map keys
 * rising and each once. Signatures are made over re-encoded values, so a second spelling of one value must not exist.
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** Integers beyond 2^53 are bigint, all others number. Map keys are integers or strings. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | Map<Key, Value>;
export type Key = number | bigint | string;

/** Deeper values are refused: the recursion is a stranger's to choose. */
const deepest = 16;

/** The value of exactly these bytes; undefined when they are none, or not in canonical form. */
export function decode(bytes: Uint8Array): Value | undefined {
  try {
    const value = new Reader(bytes).value(0);
    // Every other spelling, repeated or unordered keys, invalid UTF-8 and trailing bytes: all come back different.
    return Buffer.compare(encode(value), bytes) === 0 ? value : undefined;
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

/** Values that are read before anybody knows whether it is worth it. */
const mostAtFirst = 16;

/**
 * The first items of an array of `length` that these bytes begin with; undefined when they don't. What follows is not looked
 * at, and the items need not be canonical: this is for telling cheaply whether `decode` is worth its time.
 */
export function beginning(bytes: Uint8Array, length: number, count: number): Value[] | undefined {
  try {
    return new Reader(bytes, mostAtFirst).items(length, count);
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class Unreadable extends Error {}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #left: number;

  /** @param most values that are read, those in arrays and maps among them. */
  constructor(bytes: Uint8Array, most = Number.POSITIVE_INFINITY) {
    this.#left = most;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @param length at most 15. */
  items(length: number, count: number): Value[] {
    if (this.#unsigned(1) !== (0x90 | length)) throw new Unreadable();
    return this.#array(count, 0);
  }

  value(depth: number): Value {
    if (depth > deepest || --this.#left < 0) throw new Unreadable();
    const tag = this.#unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#array(tag & 0x0f, depth);
    if (tag < 0xc0) return this.#text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return tag === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned(1 << (tag - 0xc4)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (tag - 0xcc));
      case 0xcf:
        return narrow(this.#take(8).readBigUInt64BE());
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#signed(1 << (tag - 0xd0));
      case 0xd3:
        return narrow(this.#take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (tag - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (tag - 0xde)), depth);
      default:
        // Floats and extensions, which no caveat has.
        throw new Unreadable();
    }
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new Unreadable();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #unsigned(width: number): number {
    return this.#take(width).readUIntBE(0, width);
  }

  #signed(width: number): number {
    return this.#take(width).readIntBE(0, width);
  }

  #text(length: number): string {
    return this.#take(length).toString('utf8');
  }

  #array(length: number, depth: number): Value[] {
    const items: Value[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): Map<Key, Value> {
    const map = new Map<Key, Value>();
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (!isKey(key)) throw new Unreadable();
      map.set(key, this.value(depth + 1));
    }
    return map;
  }
}

const isKey = (value: Value): value is Key => isInteger(value) || typeof value === 'string';

export const isInteger = (value: Value | undefined): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';

const narrow = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** The canonical bytes of a value. Numbers must be integers. */
export function encode(value: Value): Buffer {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Value, parts: Uint8Array[]): void {
  if (value === null) parts.push(Buffer.of(0xc0));
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (isInteger(value)) parts.push(integer(BigInt(value)));
  else if (typeof value === 'string') {
    const text = Buffer.from(value, 'utf8');
    parts.push(head(text.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), text);
  } else if (value instanceof Uint8Array) {
    parts.push(head(value.length, 0, -1, [0xc4, 0xc5, 0xc6]), value);
  } else if (Array.isArray(value)) {
    parts.push(head(value.length, 0x90, 15, [null, 0xdc, 0xdd]));
    for (const item of value) write(item, parts);
  } else {
    parts.push(head(value.size, 0x80, 15, [null, 0xde, 0xdf]));
    for (const key of [...value.keys()].sort(order)) {
      write(key, parts);
      write(value.get(key)!, parts);
    }
  }
}

/** Integers first, each kind rising; strings by their bytes. */
function order(a: Key, b: Key): number {
  if (typeof a === 'string') return typeof b === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : 1;
  if (typeof b === 'string') return -1;
  return a < b ? -1 : 1;
}

function integer(value: bigint): Buffer {
  if (value >= -32n && value < 128n) return Buffer.of(Number(value) & 0xff);
  const unsigned = value >= 0n;
  for (const [power, bits] of [8, 16, 32, 64].entries()) {
    if ((unsigned ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value)) !== value) continue;
    const bytes = Buffer.alloc(9);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, value), 1);
    const short = bytes.subarray(8 - bits / 8);
    short[0] = (unsigned ? 0xcc : 0xd0) + power;
    return short;
  }
  throw new RangeError('an integer of more than 64 bits');
}

/** A length before its content: in the tag itself up to `most`, else in one, two or four bytes. */
function head(length: number, tag: number, most: number, [one, two, four]: [number | null, number, number]): Buffer {
  if (length <= most) return Buffer.of(tag | length);
  if (one !== null && length < 0x100) return Buffer.of(one, length);
  if (length < 0x10000) return Buffer.of(two, length >> 8, length & 0xff);
  const bytes = Buffer.of(four, 0, 0, 0, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}
