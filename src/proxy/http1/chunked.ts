import { COLON, CR, HEX, LF, TOKEN, VALUE } from './bytes.ts';
import { type Fault, nameFault } from './faults.ts';

const State = {
  size: 0,
  sizeMore: 1,
  extensionName: 2,
  extensionNameMore: 3,
  extensionValue: 4,
  extensionValueMore: 5,
  quoted: 6,
  quotedPair: 7,
  quotedEnd: 8,
  sizeLf: 9,
  data: 10,
  dataCr: 11,
  dataLf: 12,
  trailerStart: 13,
  trailerName: 14,
  trailerValue: 15,
  trailerLf: 16,
  endLf: 17,
} as const;
type State = (typeof State)[keyof typeof State];

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Fields that say where a message ends, whom it is for or who sent it: never in trailers (RFC 9110 6.5.1). */
const forbidden = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'authorization',
  'cookie',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
  'x-forwarded-for',
]);
const isForbidden = (name: string): boolean => forbidden.has(name) || name.startsWith('fly-');

/**
 * Follows the chunked coding (RFC 9112 7.1) without changing it: every byte is forwarded as it came. Payload is
 * skipped, not looked at. One instance serves many bodies.
 */
export class ChunkedDecoder {
  done = false;
  fault: Fault | '' = '';
  /** Payload bytes so far. */
  bytes = 0;
  /** Ask `push` to collect where the payload is, for a peer that can't read chunks (HTTP/1.0). */
  collect = false;
  /** The payload in the last push: pairs of start and end in its buffer. */
  ranges = new Int32Array(0);
  rangeCount = 0;

  private state: State = State.size;
  private maxLine = 0;
  /** Bytes of payload that the current chunk still has. */
  private left = 0;
  /** Bytes of the current chunk line, or of all trailers. */
  private lineLength = 0;
  private extensionBytes = 0;
  private trailer = '';

  /** Begins a body. `maxLine` limits the bytes of a chunk line, and of all trailers together. */
  reset(maxLine: number): void {
    this.done = false;
    this.fault = '';
    this.bytes = 0;
    this.rangeCount = 0;
    this.state = State.size;
    this.maxLine = maxLine;
    this.left = 0;
    this.lineLength = 0;
    this.extensionBytes = 0;
    this.trailer = '';
  }

  /**
   * Reads buf[start,end). Returns the index just past the body when it is done, `end` when more is needed, -1 when
   * refused (`fault`).
   */
  push(buf: Uint8Array, start: number, end: number): number {
    this.rangeCount = 0;
    let i = start;
    while (i < end && !this.done) {
      if (this.state === State.data) {
        i = this.skip(i, end);
        continue;
      }
      const fault = this.step(buf[i++]);
      if (fault !== '') {
        this.fault = fault;
        return -1;
      }
    }
    return i;
  }

  private skip(start: number, end: number): number {
    const length = Math.min(this.left, end - start);
    this.left -= length;
    this.bytes += length;
    if (this.left === 0) this.state = State.dataCr;
    if (this.collect) this.note(start, start + length);
    return start + length;
  }

  private note(start: number, end: number): void {
    const at = 2 * this.rangeCount++;
    if (at === this.ranges.length) {
      const longer = new Int32Array(Math.max(16, 2 * at));
      longer.set(this.ranges);
      this.ranges = longer;
    }
    this.ranges[at] = start;
    this.ranges[at + 1] = end;
  }

  /** One byte that is not payload. */
  private step(byte: number): Fault | '' {
    if (++this.lineLength > this.maxLine) {
      return this.state < State.data ? 'chunk-line-too-long' : 'trailers-too-large';
    }
    switch (this.state) {
      case State.size:
        if (HEX[byte] === 255) return 'bad-chunk-size';
        this.left = HEX[byte];
        this.state = State.sizeMore;
        return '';
      case State.sizeMore:
        if (HEX[byte] === 255) return this.extensionOrEnd(byte, 'bad-chunk-size');
        this.left = this.left * 16 + HEX[byte];
        return this.left > Number.MAX_SAFE_INTEGER ? 'chunk-size-overflow' : '';
      case State.sizeLf:
        if (byte !== LF) return 'bare-cr';
        this.lineLength = 0;
        this.state = this.left > 0 ? State.data : State.trailerStart;
        return '';
      case State.dataCr:
        if (byte !== CR) return 'bad-chunk-end';
        this.state = State.dataLf;
        return '';
      case State.dataLf:
        if (byte !== LF) return 'bad-chunk-end';
        this.lineLength = 0;
        this.state = State.size;
        return '';
      case State.trailerStart:
      case State.trailerName:
      case State.trailerValue:
      case State.trailerLf:
      case State.endLf:
        return this.stepTrailer(byte);
      default:
        // A body of small chunks can't carry more extensions than payload (RFC 9112 7.1.1).
        if (++this.extensionBytes > this.maxLine + this.bytes) return 'chunk-extensions-too-long';
        return this.stepExtension(byte);
    }
  }

  private extensionOrEnd(byte: number, otherwise: Fault): Fault | '' {
    if (byte === SEMICOLON) this.state = State.extensionName;
    else if (byte === CR) this.state = State.sizeLf;
    else return byte === LF ? 'bare-lf' : otherwise;
    return '';
  }

  /** chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), without the bad whitespace that senders must not send. */
  private stepExtension(byte: number): Fault | '' {
    switch (this.state) {
      case State.extensionName:
        if (TOKEN[byte] === 0) return 'bad-chunk-extension';
        this.state = State.extensionNameMore;
        return '';
      case State.extensionNameMore:
        if (TOKEN[byte] !== 0) return '';
        if (byte !== EQUALS) return this.extensionOrEnd(byte, 'bad-chunk-extension');
        this.state = State.extensionValue;
        return '';
      case State.extensionValue:
        if (byte !== QUOTE && TOKEN[byte] === 0) return 'bad-chunk-extension';
        this.state = byte === QUOTE ? State.quoted : State.extensionValueMore;
        return '';
      case State.extensionValueMore:
        return TOKEN[byte] !== 0 ? '' : this.extensionOrEnd(byte, 'bad-chunk-extension');
      case State.quoted:
        if (VALUE[byte] === 0) return 'bad-chunk-extension';
        if (byte === QUOTE) this.state = State.quotedEnd;
        else if (byte === BACKSLASH) this.state = State.quotedPair;
        return '';
      case State.quotedPair:
        if (VALUE[byte] === 0) return 'bad-chunk-extension';
        this.state = State.quoted;
        return '';
      default:
        return this.extensionOrEnd(byte, 'bad-chunk-extension');
    }
  }

  /** Field lines, as strict as in a head (RFC 9112 5, 7.1.2). */
  private stepTrailer(byte: number): Fault | '' {
    switch (this.state) {
      case State.trailerStart:
        if (byte === CR) this.state = State.endLf;
        else if (TOKEN[byte] !== 0) {
          this.trailer = String.fromCharCode(TOKEN[byte]);
          this.state = State.trailerName;
        } else return nameFault(byte, true);
        return '';
      case State.trailerName:
        if (TOKEN[byte] !== 0) this.trailer += String.fromCharCode(TOKEN[byte]);
        else if (byte !== COLON) return nameFault(byte, false);
        else if (isForbidden(this.trailer)) return 'forbidden-trailer';
        else this.state = State.trailerValue;
        return '';
      case State.trailerValue:
        if (byte === CR) this.state = State.trailerLf;
        else if (VALUE[byte] === 0) return byte === LF ? 'bare-lf' : 'control-in-value';
        return '';
      case State.trailerLf:
        if (byte !== LF) return 'bare-cr';
        this.state = State.trailerStart;
        return '';
      default:
        if (byte !== LF) return 'bare-cr';
        this.done = true;
        return '';
    }
  }
}
