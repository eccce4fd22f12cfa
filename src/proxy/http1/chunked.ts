import { lower } from '../../base/ascii.ts';
import { COLON, CR, HEX, LF, TOKEN, VALUE } from '../http/message/bytes.ts';
import { type Fault, nameFault } from '../http/message/faults.ts';
import { isTrailer } from '../http/message/trailers.ts';

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

/** What of a chunked body goes on: its chunks without trailers or with them, or the payload alone (HTTP/1.0). */
export const Onward = { chunks: 0, trailers: 1, payload: 2 } as const;
export type Onward = (typeof Onward)[keyof typeof Onward];

/**
 * What goes on of the last push of any body: `bytes[from,to)`, used up before the next. One for all, so that no idle connection
 * holds a buffer.
 */
export const passed: { bytes: Buffer; from: number; to: number } = { bytes: Buffer.alloc(0), from: 0, to: 0 };

/** What has to be written anew, of the last push of any decoder: used up before the next. */
let anew = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Follows the chunked coding (RFC 9112 7.1), and says what goes on of it. Chunk lines go on as we would write them: the size in
 * lower case without leading zeros, and no extension, of which readers make different things. Bytes that are so already, nearly
 * all, go on as they came. A line goes on when it is whole; payload is skipped, not looked at or held back. One instance
 * serves many bodies.
 */
export class ChunkedDecoder {
  done = false;
  fault: Fault | '' = '';
  /** Payload bytes so far. */
  bytes = 0;
  private state: State = State.size;
  private maxLine = 0;
  /** Bytes of payload that the current chunk still has. */
  private left = 0;
  /** Bytes of the current chunk line, or of all trailers. */
  private lineLength = 0;
  private extensionBytes = 0;
  private onward: Onward = Onward.chunks;
  /** Trailers that don't go on, besides those that none may have: by `Connection`, in canonical spelling; by fly.toml. */
  private options: readonly string[] | null = null;
  private drops: ReadonlySet<string> | null = null;
  /** The line that is read is not as we would write it. */
  private odd = false;
  /** Where it began in the present push. */
  private lineAt = 0;
  /** The trailer so far. */
  private trailer = '';
  private nameLength = 0;
  /** Bytes in `anew`, and where those begin that follow them as they came. */
  private written = 0;
  private run = 0;

  /** Begins a body. `maxLine` limits the bytes of a chunk line, and of all trailers together. */
  reset(
    maxLine: number,
    onward: Onward = Onward.chunks,
    options: readonly string[] | null = null,
    drops: ReadonlySet<string> | null = null,
  ): void {
    this.done = false;
    this.fault = '';
    this.bytes = 0;
    this.onward = onward;
    this.options = options;
    this.drops = drops;
    this.odd = false;
    this.state = State.size;
    this.maxLine = maxLine;
    this.left = 0;
    this.lineLength = 0;
    this.extensionBytes = 0;
    this.trailer = '';
  }

  /**
   * Reads buf[start,end). Returns the index just past the body when it is done, `end` when more is needed, -1 when
   * refused (`fault`). What goes on is in `passed`.
   */
  push(buf: Buffer, start: number, end: number): number {
    this.written = 0;
    this.run = start;
    this.lineAt = start;
    // What came of the line before was kept.
    if (this.inLine) this.odd = true;
    let i = start;
    while (i < end && !this.done) {
      if (this.state === State.data) {
        i = this.skip(i, end);
        continue;
      }
      const fault = this.step(buf, i++);
      if (fault !== '') {
        this.fault = fault;
        return -1;
      }
    }
    this.settle(buf, i);
    return i;
  }

  /** Whether the state is within a line that waits for its end. */
  private get inLine(): boolean {
    const { state } = this;
    if (this.onward === Onward.payload) return state !== State.data;
    return (state > State.size && state < State.data) || (state > State.trailerStart && state < State.endLf);
  }

  private skip(start: number, end: number): number {
    const length = Math.min(this.left, end - start);
    this.left -= length;
    this.bytes += length;
    if (this.left === 0) {
      this.state = State.dataCr;
      this.lineAt = start + length;
    }
    return start + length;
  }

  // ---- what goes on ----

  /** buf[run,i) goes on as it came; what follows, through the end of the line, does not. */
  private cut(buf: Buffer, i: number): void {
    const length = i - this.run;
    if (length > 0) {
      this.room(length);
      this.written += buf.copy(anew, this.written, this.run, i);
    }
    this.run = i;
  }

  private write(text: string): void {
    this.room(text.length);
    this.written += anew.write(text, this.written, 'latin1');
  }

  private room(length: number): void {
    if (this.written + length <= anew.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.written + length, 2 * anew.length));
    anew.copy(larger, 0, 0, this.written);
    anew = larger;
  }

  private settle(buf: Buffer, i: number): void {
    const end = this.inLine ? this.lineAt : i;
    if (this.written === 0) {
      passed.bytes = buf;
      passed.from = this.run;
      passed.to = end;
      return;
    }
    this.cut(buf, end);
    passed.bytes = anew;
    passed.from = 0;
    passed.to = this.written;
  }

  /** Reads the chunk line that ends before buf[next]. */
  private sizeLine(buf: Buffer, next: number): void {
    if (this.onward !== Onward.payload && !this.odd) return;
    this.cut(buf, this.lineAt);
    if (this.onward !== Onward.payload) this.write(`${this.left.toString(16)}\r\n`);
    this.run = next;
    this.lineAt = next;
    this.odd = false;
  }

  private trailerLine(buf: Buffer, next: number): void {
    this.cut(buf, this.lineAt);
    const name = this.trailer.slice(0, this.nameLength);
    if (this.onward === Onward.trailers && isTrailer(name, this.options) && !this.drops?.has(lower(name))) {
      this.write(`${this.trailer}\r\n`);
    }
    this.run = next;
    this.lineAt = next;
  }

  /** One byte that is not payload. */
  private step(buf: Buffer, i: number): Fault | '' {
    const byte = buf[i]!;
    if (++this.lineLength > this.maxLine) {
      return this.state < State.data ? 'chunk-line-too-long' : 'trailers-too-large';
    }
    switch (this.state) {
      case State.size:
        if (HEX[byte] === 255) return 'bad-chunk-size';
        this.left = HEX[byte];
        if (this.onward !== Onward.payload) this.lineAt = i;
        this.odd = isUpper(byte);
        this.state = State.sizeMore;
        return '';
      case State.sizeMore:
        if (HEX[byte] === 255) return this.extensionOrEnd(byte, 'bad-chunk-size');
        if (this.left === 0 || isUpper(byte)) this.odd = true;
        this.left = this.left * 16 + HEX[byte];
        return this.left > Number.MAX_SAFE_INTEGER ? 'chunk-size-overflow' : '';
      case State.sizeLf:
        if (byte !== LF) return 'bare-cr';
        this.lineLength = 0;
        this.sizeLine(buf, i + 1);
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
        return this.stepTrailer(buf, i);
      default:
        // A body of small chunks can't carry more extensions than payload (RFC 9112 7.1.1).
        if (++this.extensionBytes > this.maxLine + this.bytes) return 'chunk-extensions-too-long';
        return this.stepExtension(byte);
    }
  }

  private extensionOrEnd(byte: number, otherwise: Fault): Fault | '' {
    if (byte === SEMICOLON) {
      this.state = State.extensionName;
      this.odd = true;
    } else if (byte === CR) this.state = State.sizeLf;
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
  private stepTrailer(buf: Buffer, i: number): Fault | '' {
    const byte = buf[i]!;
    switch (this.state) {
      case State.trailerStart:
        this.lineAt = i;
        if (byte === CR) this.state = State.endLf;
        else if (TOKEN[byte] !== 0) {
          this.trailer = String.fromCharCode(byte);
          this.state = State.trailerName;
        } else return nameFault(byte, true);
        return '';
      case State.trailerName:
        if (byte === COLON) {
          this.nameLength = this.trailer.length;
          this.state = State.trailerValue;
        } else if (TOKEN[byte] === 0) return nameFault(byte, false);
        this.trailer += String.fromCharCode(byte);
        return '';
      case State.trailerValue:
        if (byte === CR) this.state = State.trailerLf;
        else if (VALUE[byte] === 0) return byte === LF ? 'bare-lf' : 'control-in-value';
        else this.trailer += String.fromCharCode(byte);
        return '';
      case State.trailerLf:
        if (byte !== LF) return 'bare-cr';
        this.trailerLine(buf, i + 1);
        this.state = State.trailerStart;
        return '';
      default:
        if (byte !== LF) return 'bare-cr';
        this.done = true;
        return '';
    }
  }
}

const isUpper = (byte: number): boolean => byte >= 0x41 && byte <= 0x46;
