import { performance } from 'node:perf_hooks';
import type { Context, Routes } from '../context.ts';
import { drainSilence, drainWindow } from '../drain.ts';
import { type EdgeError, errors } from '../errors.ts';
import { CR } from '../http/message/bytes.ts';
import type { Fault } from '../http/message/faults.ts';
import { COMPLETE, INCOMPLETE, TOO_LARGE } from '../http/message/head.ts';
import { RequestHead } from '../http/message/request-head.ts';
import type { App, Route } from '../routing/route.ts';
import type { TlsVersion } from '../tls/certificates.ts';
import type { ClientConnection, Protocol } from '../transport/client-connection.ts';
import { clock } from '../transport/clock.ts';
import { Lingering } from '../transport/lingering.ts';
import { Exchange } from './exchange.ts';
import { type Forwarding, forwardingFor } from './forwarding.ts';
import { HeadBuffer } from './head-buffer.ts';

const State = {
  /** Between requests. */
  idle: 'idle',
  /** A head has begun. */
  head: 'head',
  /** A request is with its exchange. */
  exchange: 'exchange',
  /** Handed to a tunnel, lingering, or closed. */
  over: 'over',
} as const;
type State = (typeof State)[keyof typeof State];

/** Bytes of pipelined requests that are kept while one is answered; more wait in the kernel. */
const pipelineLimit = 64 * 1024;

/** Every request head of the worker is read into this one; used up before the next. */
const head = new RequestHead();

/** Nearly all that can't be read is 400; what only isn't served has statuses of its own. */
function refusalOf(fault: Fault | ''): EdgeError {
  if (fault === 'version-unsupported') return errors.versionUnsupported;
  return fault === 'coding-not-implemented' ? errors.codingNotImplemented : errors.badRequest;
}

/** What a listener says about the HTTP connections on it. */
export interface HttpPort {
  readonly routes: Routes;
  /** Milliseconds; of several apps on the port, the longest: a connection's app is not known yet. */
  readonly headersReadTimeout: number;
  readonly idleTimeout: number;
}

/** HTTP/1.1 towards one client: heads in, one exchange at a time, answers in order (RFC 9112 9.3.2). */
export class Http1ServerConnection implements Protocol {
  readonly connection: ClientConnection;
  readonly secure: boolean;
  readonly #tlsVersion: string | null;
  readonly #context: Context;
  readonly #port: HttpPort;
  /** App of the TLS server name, null without one: another app's Host is misdirected. */
  readonly #named: App | null;
  readonly #exchange: Exchange;
  #state: State = State.idle;
  #headStartedAt = 0;
  readonly #partialHead = new HeadBuffer();
  /** Bytes after the current request. */
  #pipelined: Buffer | null = null;
  #forwarding: Forwarding | null = null;
  /** Where the last request went: mostly the next one goes there, too. */
  #lastHost = '';
  #lastRoute: Route | undefined;
  /** Bytes are being worked through: an exchange that ends meanwhile must not start the next one itself. */
  #working = false;
  #served = false;
  /** In `clock` milliseconds; of meaning while the generation drains. */
  #leaveAt = 0;
  /** It is time to leave, and requests that were received wait for their answers. */
  #closing = false;
  halfClosed = false;
  /** More bytes came together with the current request. */
  followed = false;

  constructor(
    connection: ClientConnection,
    context: Context,
    port: HttpPort,
    tlsVersion: string | null,
    named: App | null,
  ) {
    this.connection = connection;
    this.secure = tlsVersion !== null;
    this.#tlsVersion = tlsVersion;
    this.#context = context;
    this.#port = port;
    this.#named = named;
    this.#exchange = new Exchange(this, context);
    this.#idle();
  }

  /** Answers the first request without having read it. */
  refuseAtOnce(error: EdgeError): void {
    this.#headStartedAt = performance.now();
    this.#refuse(error, '');
  }

  // ---- bytes ----

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    switch (this.#state) {
      case State.idle:
        this.#headStartedAt = performance.now();
        this.#work(buffer, start, end);
        break;
      case State.head:
        this.#moreHead(buffer, start, end);
        break;
      case State.exchange:
        this.#moreOfExchange(buffer, start, end);
        break;
      default:
        return true;
    }
    return this.#wantsMore();
  }

  #moreHead(buffer: Buffer, start: number, end: number): void {
    const complete = this.#partialHead.append(buffer, start, end, this.#context.limits.headSize);
    if (complete === INCOMPLETE) return;
    if (complete === COMPLETE) {
      const bytes = this.#partialHead.take();
      this.#work(bytes, 0, bytes.length);
    } else if (complete === TOO_LARGE) this.#refuse(errors.headTooLarge, '');
    else this.#refuse(errors.badRequest, 'bare CR or LF');
  }

  #moreOfExchange(buffer: Buffer, start: number, end: number): void {
    const exchange = this.#exchange;
    if (!exchange.request.done && !exchange.blocked) {
      this.#working = true;
      start = exchange.requestBytes(buffer, start, end);
      this.#working = false;
    }
    if (start < end && this.#state !== State.over) this.#keep(buffer, start, end);
    this.#next();
  }

  /** Reads as many requests from buffer[start,end) as can begin now, and keeps the rest. */
  #work(buffer: Buffer, start: number, end: number): void {
    this.#working = true;
    while (start < end && this.#mayBegin()) {
      this.#state = State.head;
      const { headSize, headCount } = this.#context.limits;
      const length = head.parse(buffer, start, end, headSize, headCount);
      if (length > 0) {
        this.#state = State.exchange;
        start = this.#exchange.begin(head, buffer, start + length, end, this.#headStartedAt);
        if (start < end) this.#headStartedAt = performance.now();
      } else if (length === INCOMPLETE && end - start === 2 && buffer[start] === CR) {
        // An empty line alone is forgiven (RFC 9112 2.2), and begins no head: the connection stays idle.
        this.#state = State.idle;
        start = end;
      } else if (length === INCOMPLETE) {
        this.#partialHead.begin(buffer, start, end);
        this.connection.deadline = clock.now + this.#port.headersReadTimeout;
        start = end;
      } else {
        start = end;
        if (length === TOO_LARGE) this.#refuse(errors.headTooLarge, '');
        else this.#refuse(refusalOf(head.fault), head.fault);
      }
    }
    this.#working = false;
    if (start < end && this.#state !== State.over) this.#keep(buffer, start, end);
    this.#endIfHalfClosed();
  }

  /** A client that pipelines but reads no answers gets no further than its socket's buffer. */
  #mayBegin(): boolean {
    return this.#state === State.idle || this.#state === State.head ? !this.connection.stalled : false;
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    const bytes = Buffer.from(buffer.subarray(start, end));
    this.#pipelined = this.#pipelined === null ? bytes : Buffer.concat([this.#pipelined, bytes]);
  }

  /** What was kept can go on: as body of the current request, or as the next one. */
  #next(): void {
    if (this.#working || this.#pipelined === null) return;
    const kept = this.#pipelined;
    if (this.#state === State.exchange && !this.#exchange.request.done && !this.#exchange.blocked) {
      this.#pipelined = null;
      this.#moreOfExchange(kept, 0, kept.length);
    } else if (this.#state === State.idle && this.#mayBegin()) {
      this.#pipelined = null;
      this.#headStartedAt = performance.now();
      this.#work(kept, 0, kept.length);
    }
  }

  #wantsMore(): boolean {
    if (this.#state === State.idle || this.#state === State.head) return this.#pipelined === null;
    if (this.#state !== State.exchange) return true;
    if (!this.#exchange.request.done && this.#exchange.blocked) return false;
    if (this.#closing && this.#exchange.request.done) return false;
    return this.#pipelined === null || this.#pipelined.length < pipelineLimit;
  }

  /** The instance takes body bytes again. */
  resumeBody(): void {
    this.#next();
    if (this.#wantsMore()) this.connection.resume();
  }

  // ---- the exchange ----

  /** Where a request goes, or why it goes nowhere. */
  route(request: RequestHead): Route | EdgeError {
    let route = this.#lastRoute;
    if (route === undefined || request.host !== this.#lastHost) {
      route = this.#port.routes.find(request.host);
      this.#lastRoute = route;
      this.#lastHost = request.host;
    }
    if (this.#named !== null) {
      const app = route?.app ?? this.#context.appOf(request.host);
      if (app !== undefined && app !== this.#named) return errors.misdirected;
    } else if (
      this.#tlsVersion !== null &&
      route?.port.tls.versions.includes(this.#tlsVersion as TlsVersion) === false
    ) {
      // Without a server name, the handshake could not know what this app demands.
      return errors.misdirected;
    }
    return route ?? errors.unknownHost;
  }

  forwarding(route: Route, { authority }: RequestHead): Forwarding {
    if (this.#forwarding?.route !== route || this.#forwarding.authority !== authority) {
      this.#forwarding = forwardingFor(this.connection, route, this.#context.region, authority);
    }
    return this.#forwarding;
  }

  exchangeEnded(keep: boolean): void {
    if (this.connection.gone || this.#state === State.over) return;
    this.#served = true;
    if (!keep) {
      this.#over();
      return;
    }
    this.#state = State.idle;
    this.#idle();
    if (this.#working) return;
    this.#next();
    if (this.#state === State.idle) this.#endIfHalfClosed();
    if (this.#wantsMore()) this.connection.resume();
  }

  /** The exchange has become a tunnel; what the client sent already belongs to it. */
  handOver(tunnel: Protocol): void {
    this.#state = State.over;
    const kept = this.#pipelined;
    this.#pipelined = null;
    if (kept !== null) tunnel.onBytes(kept, 0, kept.length);
    if (this.halfClosed) tunnel.onEnd();
    this.connection.resume();
  }

  #refuse(error: EdgeError, detail: string): void {
    this.#state = State.exchange;
    this.#exchange.refuse(error, this.#headStartedAt, detail);
  }

  #over(): void {
    this.#state = State.over;
    this.#pipelined = null;
    Lingering.begin(this.connection);
  }

  // ---- the connection ----

  onDrain(): void {
    if (this.#state === State.exchange) this.#exchange.clientDrained();
    else {
      this.#next();
      if (this.#wantsMore()) this.connection.resume();
    }
  }

  /**
   * FIN. In the middle of a request it can't be finished; after one, the client may still read the answer
   * (RFC 9112 9.6), and gets it unless nothing moves for `half_close_timeout`.
   */
  onEnd(): void {
    this.halfClosed = true;
    if (this.#state === State.exchange) {
      if (!this.#exchange.request.done && this.#pipelined === null) this.connection.destroy();
      else this.connection.deadline = clock.now + this.#context.limits.halfCloseTimeout;
    } else this.#endIfHalfClosed();
  }

  #endIfHalfClosed(): void {
    if (!this.halfClosed || this.#state === State.exchange || this.#state === State.over) return;
    if (this.#pipelined === null) this.#over();
  }

  onClose(): void {
    this.#state = State.over;
    this.#pipelined = null;
    this.#exchange.clientClosed();
  }

  sampled(): void {
    if (this.#state === State.exchange) this.#exchange.sampled();
  }

  expire(): void {
    if (this.#state === State.exchange) this.#exchange.clientExpired();
    else if (this.#state === State.head) this.#refuse(errors.requestTimeout, 'head');
    else this.#over();
  }

  /**
   * Whether the answer that begins now says `Connection: close`. What the client has pipelined is answered before; nothing
   * more is read then, or one that pipelines without end would never leave.
   */
  leaves(): boolean {
    if (!this.#context.draining || clock.now < this.#leaveAt) return false;
    this.#closing = this.#pipelined !== null || this.followed;
    return !this.#closing;
  }

  drain(): void {
    if (this.#context.handover) {
      this.#leaveAt = clock.now + Math.random() * drainWindow;
      if (this.#state === State.idle) this.#idle();
    } else if (this.#state === State.idle) this.#over();
  }

  /** Between requests: how long the next one may take to come. */
  #idle(): void {
    const { connection } = this;
    const patience = this.#served ? this.#port.idleTimeout : this.#port.headersReadTimeout;
    connection.deadline = clock.now + (this.#context.draining ? Math.min(patience, drainSilence) : patience);
  }
}
