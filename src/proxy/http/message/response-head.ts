import { CR, isDigit, LF, SP, VALUE } from './bytes.ts';
import type { Fault } from './faults.ts';
import { Framing, readLengths } from './framing.ts';
import { Head } from './head.ts';
import { Id } from './names.ts';

/** A body up to this comes with its head in one string, and leaves with it in one write; above it that would cost more. */
const tailLimit = 16 * 1024;

/** The head of a response (RFC 9112 4). */
export class ResponseHead extends Head {
  protected override tail = tailLimit;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** What Content-Length says; -1 without one. */
  contentLength = -1;
  private chunked = false;

  /** As `RequestHead.parse`, but an empty line is forgiven only `afterInterim`: aiohttp sends one after its 100. */
  parse(buf: Uint8Array, start: number, end: number, maxSize: number, maxCount: number, afterInterim = false): number {
    this.begin(start, end, maxSize, maxCount);
    const limit = this.limit;
    let i = start;
    if (afterInterim && i < limit && buf[i] === CR) {
      i = this.readLineEnd(buf, i, 'bare-cr');
      if (i <= 0) return i;
    }
    const origin = i;
    i = this.readVersion(buf, i);
    if (i <= 0) return i;
    i = this.readStatus(buf, i);
    if (i <= 0) return i;
    // An absent reason phrase may lack its space too (RFC 9112 4: recipients may parse on word boundaries).
    if (i < limit && buf[i] === SP) i++;
    else if (i < limit && buf[i] !== CR) return this.refuse(buf[i] === LF ? 'bare-lf' : 'bad-status-line');
    this.reasonStart = i - origin;
    while (i < limit && VALUE[buf[i]] !== 0) i++;
    this.reasonEnd = i - origin;
    i = this.readLineEnd(buf, i, 'bad-status-line');
    if (i <= 0) return i;
    i = this.readFields(buf, i, origin, maxCount);
    if (i <= 0) return i;
    const fault = this.settleFraming() || this.settleConnection();
    return fault === '' ? i - start : this.refuse(fault);
  }

  /** SP status-code at buf[i]: the index after it, or a code. */
  private readStatus(buf: Uint8Array, i: number): number {
    let status = 0;
    for (let k = 0; k < 4; k++) {
      if (i + k >= this.limit) return this.atLimit;
      const byte = buf[i + k];
      const fits = k === 0 ? byte === SP : isDigit(byte);
      if (!fits) return this.refuse(byte === LF ? 'bare-lf' : 'bad-status-line');
      if (k > 0) status = status * 10 + byte - 0x30;
    }
    if (status < 100) return this.refuse('bad-status');
    this.status = status;
    return i + 4;
  }

  private settleFraming(): Fault | '' {
    this.contentLength = -1;
    this.chunked = false;
    if (this.has(Id.transferEncoding)) {
      const fault = this.settleCoding();
      if (fault !== '') return fault;
      this.chunked = true;
    } else if (this.has(Id.contentLength)) {
      this.contentLength = this.readContentLength();
      if (this.contentLength < 0) return 'bad-length';
    }
    // It has no body, but some read one: llhttp does after 102 to 199.
    const body = this.chunked || this.contentLength > 0;
    return body && this.status < 200 ? 'interim-with-body' : '';
  }

  /** Several fields, lists, zeros and tabs are read by RFC 9110 8.6, and written anew for a client that may not. */
  private readContentLength(): number {
    if (!this.isRepeated(Id.contentLength)) {
      const length = this.plainLength();
      if (length >= 0) return length;
    }
    this.respelled = true;
    return readLengths(this.joined(Id.contentLength));
  }

  /** The framing field in the one spelling that all read alike, with its line's end. */
  get framingField(): string {
    return this.chunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${this.contentLength}\r\n`;
  }

  /** How the body ends, given the method of the request (RFC 9112 6.3). A body that ends with the connection clears `keepAlive`. */
  frame(method: string): Framing {
    if (method === 'HEAD' || this.status < 200 || this.status === 204 || this.status === 304) return Framing.none;
    if (this.chunked) return Framing.chunked;
    if (this.contentLength >= 0) return Framing.length;
    this.keepAlive = false;
    return Framing.untilClose;
  }
}
