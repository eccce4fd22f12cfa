import { COLON, CR, HTAB, isBlank, LF, TOKEN, VALUE } from './bytes.ts';
import { readConnection, readOptions } from './connection-options.ts';
import { type Fault, nameFault } from './faults.ts';
import { codingFault, readLength } from './framing.ts';
import { Id, identify } from './names.ts';

/** All that is needed is there. */
export const COMPLETE = 1;
/** More bytes are needed. */
export const INCOMPLETE = 0;
/** A rule is broken: see `fault`. */
export const REFUSED = -1;
/** Too many bytes or fields. */
export const TOO_LARGE = -2;

const latin1Slice: (start: number, end: number) => string = (Buffer.prototype as never as { latin1Slice: never })
  .latin1Slice;

/**
 * What request and response heads share: the field lines (RFC 9112 5), the version and the connection options.
 * One instance serves many messages: its arrays are kept, and no field costs an object or a string.
 */
export abstract class Head {
  fault: Fault | '' = '';
  /** The head as latin1; of a response, what follows it too, up to `tailLimit`. All offsets index into it. */
  text = '';
  /** Bytes of the head in `text`, through its empty line. */
  length = 0;
  minor: 0 | 1 = 1;
  /** How many fields there are. */
  count = 0;
  /** The `Id` of each field. */
  ids = new Uint8Array(0);
  /** Four offsets a field, which the accessors below name: nobody else is to know their order. */
  bounds = new Int32Array(0);
  /** From the version and `Connection` (RFC 9112 9.3). */
  keepAlive = false;
  /** `Connection: upgrade` and an `Upgrade` field that names a protocol, in 1.1 (RFC 9110 7.8). */
  upgrade = false;
  /** The framing field is spelled so that readers differ on it: it goes on written anew (`framingField`). */
  respelled = false;
  /** Other names that `Connection` lists, in canonical spelling: these fields go no further than this hop. */
  connectionOptions: string[] | null = null;

  /** Bit sets of ids, and the first field with each id. */
  protected seen = 0;
  protected repeated = 0;
  protected readonly first = new Uint16Array(32);
  /** The end of what may be read, and what it means to arrive there. */
  protected limit = 0;
  protected atLimit = INCOMPLETE;
  /** Bytes after the head that `text` may take along. */
  protected tail = 0;

  // Offsets into `text`; of a value without the blanks around it. A field's line begins with its name.

  nameStart(field: number): number {
    return this.bounds[4 * field]!;
  }

  nameEnd(field: number): number {
    return this.bounds[4 * field + 1]!;
  }

  valueStart(field: number): number {
    return this.bounds[4 * field + 2]!;
  }

  valueEnd(field: number): number {
    return this.bounds[4 * field + 3]!;
  }

  /** As it was sent. */
  nameOf(field: number): string {
    return this.text.slice(this.nameStart(field), this.nameEnd(field));
  }

  valueOf(field: number): string {
    return this.text.slice(this.valueStart(field), this.valueEnd(field));
  }

  /** The index after the last field's line. The value's end may be followed by blanks, so the line's own CRLF is looked for. */
  get fieldsEnd(): number {
    return this.text.indexOf('\r\n', this.valueEnd(this.count - 1)) + 2;
  }

  protected begin(start: number, end: number, maxSize: number, maxCount: number): void {
    this.fault = '';
    this.text = '';
    this.count = 0;
    this.keepAlive = false;
    this.upgrade = false;
    this.respelled = false;
    this.connectionOptions = null;
    this.seen = 0;
    this.repeated = 0;
    const fits = end - start < maxSize;
    this.limit = fits ? end : start + maxSize;
    this.atLimit = fits ? INCOMPLETE : TOO_LARGE;
    if (this.ids.length < maxCount) {
      this.ids = new Uint8Array(maxCount);
      this.bounds = new Int32Array(4 * maxCount);
    }
  }

  protected refuse(fault: Fault): number {
    this.fault = fault;
    return REFUSED;
  }

  has(id: number): boolean {
    return (this.seen & (1 << id)) !== 0;
  }

  protected isRepeated(id: number): boolean {
    return (this.repeated & (1 << id)) !== 0;
  }

  /** HTTP-version (RFC 9112 2.3) at buf[i]: the index after it, or a code. Any other version is refused. */
  protected readVersion(buf: Uint8Array, i: number): number {
    for (let k = 0; k < 8; k++) {
      if (i + k >= this.limit) return this.atLimit;
      const byte = buf[i + k];
      // HTTP/d.d
      const fits = k === 5 || k === 7 ? byte >= 0x30 && byte <= 0x39 : byte === VERSION[k];
      if (!fits) return this.refuse(byte === LF ? 'bare-lf' : 'bad-version');
    }
    const minor = buf[i + 7] - 0x30;
    if (buf[i + 5] !== 0x31 || minor > 1) return this.refuse('version-unsupported');
    this.minor = minor as 0 | 1;
    return i + 8;
  }

  /** CRLF at buf[i]: the index after it, or a code; `otherwise` is the fault when neither byte is there. */
  protected readLineEnd(buf: Uint8Array, i: number, otherwise: Fault): number {
    if (i >= this.limit) return this.atLimit;
    if (buf[i] !== CR) return this.refuse(buf[i] === LF ? 'bare-lf' : otherwise);
    if (i + 1 >= this.limit) return this.atLimit;
    return buf[i + 1] === LF ? i + 2 : this.refuse('bare-cr');
  }

  /**
   * All field lines and the empty line after them, from buf[i] on; offsets are kept relative to `origin`.
   * Returns the index after the head, or a code.
   */
  protected readFields(buf: Uint8Array, i: number, origin: number, maxCount: number): number {
    const { limit, atLimit, ids, bounds } = this;
    let count = 0;
    let seen = 0;
    let repeated = 0;
    for (;;) {
      if (i >= limit) return atLimit;
      if (buf[i] === CR) break;
      if (count === maxCount) return TOO_LARGE;

      const nameStart = i;
      let bits = 0;
      for (let token = 0; i < limit; i++) {
        token = TOKEN[buf[i]];
        if (token === 0) break;
        bits |= token;
      }
      if (i >= limit) return atLimit;
      if (buf[i] !== COLON || i === nameStart) {
        const fault = nameFault(buf[i], i === nameStart);
        return this.refuse(fault === 'obs-fold' && count === 0 ? 'space-before-first-field' : fault);
      }
      const nameEnd = i++;

      while (i < limit && isBlank(buf[i])) i++;
      const valueStart = i;
      while (i < limit && VALUE[buf[i]] !== 0) i++;
      let valueEnd = i;
      i = this.readLineEnd(buf, i, 'control-in-value');
      if (i <= 0) return i;
      while (valueEnd > valueStart && isBlank(buf[valueEnd - 1])) valueEnd--;

      const id = identify(buf, nameStart, nameEnd, bits);
      const bit = 1 << id;
      if ((seen & bit) === 0) this.first[id] = count;
      else repeated |= bit;
      seen |= bit;
      ids[count] = id;
      const at = 4 * count++;
      bounds[at] = nameStart - origin;
      bounds[at + 1] = nameEnd - origin;
      bounds[at + 2] = valueStart - origin;
      bounds[at + 3] = valueEnd - origin;
    }
    i = this.readLineEnd(buf, i, 'bare-cr');
    if (i <= 0) return i;
    this.count = count;
    this.seen = seen;
    this.repeated = repeated;
    this.length = i - origin;
    const { tail } = this;
    this.text = latin1Slice.call(buf, origin, tail > 0 && limit - i <= tail ? limit : i);
    return i;
  }

  /** What `Connection` says (RFC 9110 7.6.1). */
  protected settleConnection(): Fault | '' {
    this.keepAlive = this.minor === 1;
    if (!this.has(Id.connection)) return '';
    const field = this.first[Id.connection];
    const options = this.isRepeated(Id.connection)
      ? readOptions(this.joined(Id.connection))
      : readConnection(this.text, this.valueStart(field), this.valueEnd(field));
    if (typeof options === 'string') return options;
    this.keepAlive = !options.close && (this.minor === 1 || options.keepAlive);
    this.upgrade = options.upgrade && this.minor === 1 && this.has(Id.upgrade) && this.value(Id.upgrade) !== '';
    this.connectionOptions = options.others;
    return '';
  }

  /** What the first Content-Length says, in the spelling that all read alike; -1 for any other. */
  protected plainLength(): number {
    if (this.oddBlanks(Id.contentLength) !== '') return -1;
    const field = this.first[Id.contentLength];
    return readLength(this.text, this.valueStart(field), this.valueEnd(field));
  }

  /** The fault of Transfer-Encoding, '' when the body is chunked (RFC 9112 6.1, 6.3). */
  protected settleCoding(): Fault | '' {
    if (this.minor === 0) return 'coding-in-1.0';
    if (this.has(Id.contentLength)) return 'length-and-coding';
    if (this.isRepeated(Id.transferEncoding)) return 'repeated-coding';
    // Readers differ on tabs around a coding and blanks after it: llhttp takes `chunked` HTAB for another coding.
    const blanks = this.oddBlanks(Id.transferEncoding);
    const value = this.value(Id.transferEncoding);
    const after = this.text.charCodeAt(this.valueEnd(this.first[Id.transferEncoding])) !== CR;
    if (after || blanks.includes('\t') || value.includes('\t')) return 'bad-coding';
    this.respelled = blanks !== '' || value !== 'chunked';
    return codingFault(value);
  }

  /** The blanks around the value of the first field with this id; '' for at most one SP before it, as nearly all write. */
  protected oddBlanks(id: number): string {
    const { text } = this;
    const field = this.first[id];
    const colon = this.nameEnd(field);
    const start = this.valueStart(field);
    const end = this.valueEnd(field);
    if (start - colon <= 2 && text.charCodeAt(start - 1) !== HTAB && text.charCodeAt(end) === CR) return '';
    return text.slice(colon + 1, start) + text.slice(end, text.indexOf('\r', end));
  }

  /** The values of all fields with this id as one list (RFC 9110 5.3). */
  protected joined(id: number): string {
    const values: string[] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.ids[i] === id) values.push(this.valueOf(i));
    }
    return values.join();
  }

  /** The value of the first field with this id. */
  protected value(id: number): string {
    return this.valueOf(this.first[id]);
  }
}

const VERSION = Uint8Array.from('HTTP/1.1', (char) => char.charCodeAt(0));
