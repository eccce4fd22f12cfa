import { decimal, equalFold } from '../../../base/ascii.ts';
import { normalHost } from '../../../base/authority.ts';
import { CR, LF, SP, TARGET, TOKEN } from './bytes.ts';
import type { Fault } from './faults.ts';
import { Framing } from './framing.ts';
import { Head } from './head.ts';
import { Id } from './names.ts';
import { authorityEnd, authorityOf, authorityStart, hostEnd } from './target.ts';

const SLASH = 0x2f;
const HASH = 0x23;

/** The head of a request (RFC 9112 3). */
export class RequestHead extends Head {
  method = '';
  /**
   * What to forward, in `text`: origin-form, or `*`; nothing for CONNECT. Where an absolute-form has no path, it stands
   * at the end of `text`, after the head.
   */
  pathStart = 0;
  pathEnd = 0;
  /** uri-host of `Host` in its normal form, without port; '' when there is none (1.0). */
  host = '';
  framing: typeof Framing.none | typeof Framing.length | typeof Framing.chunked = Framing.none;
  contentLength = 0;
  expectContinue = false;
  /** How many more may forward it, when it is TRACE or OPTIONS (RFC 9110 7.6.2); -1: any number. */
  maxForwards = -1;
  private targetEnd = 0;

  /** As sent. Made when asked for: most requests go on without it. */
  get target(): string {
    return this.text.slice(this.method.length + 1, this.targetEnd);
  }

  /** As sent: `Host`, or what an absolute-form of 1.0 has in its place; '' when there is neither. */
  get authority(): string {
    return this.has(Id.host) ? this.lastHost : authorityOf(this.target);
  }

  /** The last good `Host` and its name: the requests of a connection mostly repeat it. */
  private lastHost = '';
  private lastName = '';

  /**
   * Reads the head in buf[start,end). Returns its length in bytes, through the empty line after it and with an empty
   * line before it; INCOMPLETE; REFUSED (`fault`); TOO_LARGE when it has more than maxSize bytes or maxCount
   * fields. Each call resets all.
   */
  parse(buf: Uint8Array, start: number, end: number, maxSize: number, maxCount: number): number {
    this.begin(start, end, maxSize, maxCount);
    const limit = this.limit;
    let i = start;
    if (i < limit && (buf[i] === CR || buf[i] === LF)) {
      // One empty line before a request is forgiven (RFC 9112 2.2).
      i = this.readLineEnd(buf, i, 'bare-cr');
      if (i <= 0) return i;
      if (i < limit && buf[i] === CR) return this.refuse('empty-lines');
    }
    const origin = i;
    while (i < limit && TOKEN[buf[i]] !== 0) i++;
    if (i >= limit) return this.atLimit;
    if (buf[i] !== SP || i === origin) return this.refuse(buf[i] === LF ? 'bare-lf' : 'bad-method');
    const methodEnd = i - origin;

    const targetStart = ++i;
    while (i < limit && TARGET[buf[i]] !== 0) i++;
    if (i >= limit) return this.atLimit;
    if (buf[i] !== SP || i === targetStart) return this.refuse(targetFault(buf[i]));
    const targetEnd = i - origin;

    i = this.readVersion(buf, i + 1);
    if (i <= 0) return i;
    i = this.readLineEnd(buf, i, 'bad-request-line');
    if (i <= 0) return i;
    i = this.readFields(buf, i, origin, maxCount);
    if (i <= 0) return i;

    this.method = methodEnd === 3 && this.text.startsWith('GET') ? 'GET' : this.text.slice(0, methodEnd);
    this.targetEnd = targetEnd;
    this.pathStart = methodEnd + 1;
    this.pathEnd = targetEnd;
    this.maxForwards = this.has(Id.maxForwards) ? this.readMaxForwards() : -1;
    const fault = this.settleHost() || this.settleTarget() || this.settleFraming() || this.settleConnection();
    return fault === '' ? i - start : this.refuse(fault);
  }

  private readMaxForwards(): number {
    if ((this.method !== 'TRACE' && this.method !== 'OPTIONS') || this.isRepeated(Id.maxForwards)) return -1;
    return decimal(this.value(Id.maxForwards));
  }

  private settleHost(): Fault | '' {
    if (!this.has(Id.host)) {
      this.host = '';
      return this.minor === 0 ? '' : 'no-host';
    }
    if (this.isRepeated(Id.host)) return 'two-hosts';
    const start = this.valueStart(this.first[Id.host]);
    const end = this.valueEnd(this.first[Id.host]);
    if (start === end) return 'empty-host';
    // Some readers keep a tab, and so look for another host.
    if (this.oddBlanks(Id.host).includes('\t')) return 'bad-host';
    if (end - start !== this.lastHost.length || !this.text.startsWith(this.lastHost, start)) {
      const nameEnd = hostEnd(this.text, start, end);
      const name = nameEnd < 0 ? null : normalHost(this.text.slice(start, nameEnd));
      if (name === null) return 'bad-host';
      this.lastHost = this.text.slice(start, end);
      this.lastName = name;
    }
    this.host = this.lastName;
    return '';
  }

  private settleTarget(): Fault | '' {
    if (this.text.charCodeAt(this.pathStart) === SLASH && this.method !== 'CONNECT') return '';
    const { target } = this;
    if (this.method === 'CONNECT') return this.settleAuthorityForm();
    if (target === '*') return this.method === 'OPTIONS' ? '' : 'target-form';
    const start = authorityStart(target);
    return start < 0 ? 'target-form' : this.settleAbsoluteForm(start);
  }

  /** RFC 9112 3.2.3: uri-host and port, nothing else. */
  private settleAuthorityForm(): Fault | '' {
    this.pathStart = this.pathEnd;
    const { target } = this;
    const nameEnd = hostEnd(target, 0, target.length);
    return nameEnd < 0 || nameEnd === target.length ? 'target-form' : '';
  }

  /** RFC 9112 3.2.2: the authority must be what Host says (RFC 9110 4.2.3); its path and query go on. */
  private settleAbsoluteForm(start: number): Fault | '' {
    const { target } = this;
    const end = authorityEnd(target, start);
    const authority = target.slice(start, end);
    if (authority.includes('@')) return 'userinfo';
    const nameEnd = hostEnd(authority, 0, authority.length);
    if (nameEnd < 0) return authority === '' ? 'empty-host' : 'bad-host';
    const name = normalHost(authority.slice(0, nameEnd));
    if (name === null) return 'bad-host';
    if (!this.has(Id.host)) this.host = name;
    else if (
      name !== this.host ||
      !this.hostHasPort(authority.slice(nameEnd), target[start - 4] === 's' ? '443' : '80')
    )
      return 'authority-is-not-host';

    this.pathStart += end;
    if (target.charCodeAt(end) === SLASH) return '';
    // An empty path is sent as `/`, but as `*` with OPTIONS and no query (RFC 9112 3.2.1, 3.2.4).
    const path = this.method === 'OPTIONS' && end === target.length ? '*' : `/${target.slice(end)}`;
    this.pathStart = this.text.length;
    this.text += path;
    this.pathEnd = this.text.length;
    return '';
  }

  /** Whether the port of Host and this one, each empty or after its colon, are one; `usual` is the scheme's own. */
  private hostHasPort(port: string, usual: string): boolean {
    const host = this.value(Id.host);
    const other = host.slice(hostEnd(host, 0, host.length));
    return decimal(port.slice(1) || usual) === decimal(other.slice(1) || usual);
  }

  /** uri-host as the client wrote it: of Host, else of the target. */
  get sentHost(): string {
    const authority = this.has(Id.host) ? this.value(Id.host) : authorityOf(this.target);
    return authority.slice(0, Math.max(0, hostEnd(authority, 0, authority.length)));
  }

  private settleFraming(): Fault | '' {
    this.framing = Framing.none;
    this.contentLength = 0;
    this.expectContinue = this.minor === 1 && this.has(Id.expect) && equalFold(this.value(Id.expect), '100-continue');
    // `Content_Length` is Content-Length to whoever reads names as CGI does.
    if (this.has(Id.oddFraming)) return 'framing-in-another-spelling';
    if (this.has(Id.transferEncoding)) {
      const fault = this.settleCoding();
      if (fault !== '') return fault;
      this.framing = Framing.chunked;
    } else if (this.has(Id.contentLength)) {
      if (this.isRepeated(Id.contentLength)) return 'repeated-length';
      this.contentLength = this.plainLength();
      if (this.contentLength < 0) return 'bad-length';
      this.framing = Framing.length;
    }
    return '';
  }
}

function targetFault(byte: number): Fault {
  if (byte === LF) return 'bare-lf';
  if (byte === HASH) return 'fragment';
  return byte === CR ? 'bad-request-line' : 'bad-target';
}
