import { performance } from 'node:perf_hooks';
import type { Seeker } from '../balancing/service.ts';
import { clock } from '../clock.ts';
import type { Context } from '../context.ts';
import { type EdgeError, errors } from '../errors.ts';
import type { Route } from '../routing/route.ts';
import { Tunnel } from '../tcp/tunnel.ts';
import type { UpstreamUser } from '../upstream/connection.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { errorAnswer, redirectAnswer } from './answers.ts';
import { Attempt, isIdempotent } from './attempt.ts';
import { Body } from './body.ts';
import type { HttpClient } from './client.ts';
import { Framing } from './framing.ts';
import { type RequestHead, ResponseHead } from './head.ts';
import { HeadBuffer } from './head-buffer.ts';
import { requestId } from './request-id.ts';
import { type Forwarding, writeRequestHead } from './request-writer.ts';
import { After, mustDechunk, onlyChunked, writeInterimHead, writeResponseHead } from './response-writer.ts';

const State = {
  /** No request. */
  idle: 'idle',
  /** Looking for an instance, or queued. */
  seeking: 'seeking',
  connecting: 'connecting',
  /** The request goes out, or is out; no final response head yet. */
  waiting: 'waiting',
  /** The response's body passes. */
  responding: 'responding',
  /** After a 101. */
  tunnel: 'tunnel',
} as const;
type State = (typeof State)[keyof typeof State];

/** Every response head of the worker is read into this one; used up before the next. */
const head = new ResponseHead();

/**
 * One request and its answer, from the request's head to the answer's last byte: chooses an instance, retries,
 * relays both bodies, and moves every series that a request moves. One instance serves all of a connection.
 */
export class Exchange implements Seeker, UpstreamUser {
  readonly #client: HttpClient;
  readonly #context: Context;
  #state: State = State.idle;
  /** The request's body on its way to the instance; the answer's on its way back. */
  readonly request = new Body();
  readonly response = new Body();
  readonly #partialHead = new HeadBuffer();
  readonly #attempt = new Attempt();

  #route: Route | null = null;
  #id = '';
  #method = '';
  #minor: 0 | 1 = 1;
  #keepAlive = false;
  #upgrade = false;
  #host = '';
  #path = '';
  /** Milliseconds of `performance.now()`. */
  #startedAt = 0;

  /** Request head and what came of the body with it: all that was taken from the client while `#intact`. */
  #opening = '';
  #intact = true;
  /** Status of the answer that was begun towards the client; 0 for none. */
  #status = 0;
  #keepAfter = false;
  #dechunk = false;

  constructor(client: HttpClient, context: Context) {
    this.#client = client;
    this.#context = context;
  }

  get tried(): Upstream[] | null {
    return this.#attempt.tried;
  }

  /** Body bytes of the client have nowhere to go at the moment. */
  get blocked(): boolean {
    if (this.#state === State.seeking || this.#state === State.connecting) return true;
    return this.#attempt.connection?.socket.stalled === true;
  }

  // ---- from the client ----

  /**
   * Takes over a request. Returns the index just past what belongs to it in buffer[start,end).
   * @param startedAt when its first byte came, `performance.now()`.
   */
  begin(request: RequestHead, buffer: Buffer, start: number, end: number, startedAt: number): number {
    const { limits, region } = this.#context;
    const client = this.#client;
    this.#reset(startedAt);
    this.#id = requestId(region);
    this.#method = request.method;
    this.#minor = request.minor;
    this.#keepAlive = request.keepAlive;
    this.#upgrade = request.upgrade;
    if (this.#context.host.access !== null) {
      this.#host = request.host;
      this.#path = request.target;
    }
    this.request.begin(request.framing, request.contentLength, limits.headSize, false);
    const bodyEnd = this.request.push(buffer, start, end);
    client.followed = bodyEnd >= 0 && bodyEnd < end;

    const route = client.route(request);
    if (!('app' in route)) {
      this.#answerError(route, request.host);
      return bodyEnd < 0 ? end : bodyEnd;
    }
    this.#route = route;
    client.connection.name(route.app.series);
    if (client.connection.closed) return end;
    if (bodyEnd < 0) {
      this.#answerError(errors.badRequest, this.request.fault);
      return end;
    }
    if (request.method === 'CONNECT') {
      this.#answerError(errors.methodNotAllowed, '');
      return bodyEnd;
    }
    if (route.port.forceHttps && !client.secure) {
      this.#redirect(request, route);
      return bodyEnd;
    }
    if (limits.bodySize > 0 && (request.contentLength > limits.bodySize || this.request.bytes > limits.bodySize)) {
      this.#answerError(errors.contentTooLarge, '');
      return bodyEnd;
    }
    const forwarding: Forwarding = client.forwarding(route);
    const pooled = route.service.plan.concurrency.type === 'requests';
    this.#opening = writeRequestHead(
      request,
      forwarding,
      client.connection.trusted,
      region,
      this.#id,
      startedAt,
      !pooled,
    );
    if (bodyEnd > start) this.#opening += buffer.latin1Slice(start, bodyEnd);
    client.connection.deadline = clock.now + limits.bodyIdleTimeout;
    this.#state = State.seeking;
    route.service.seek(this);
    return bodyEnd;
  }

  /** An error before there was a request to route: 400, 408, 431, 505. */
  refuse(error: EdgeError, startedAt: number, detail: string): void {
    this.#reset(startedAt);
    this.#id = requestId(this.#context.region);
    this.request.begin(Framing.none, 0, 0, false);
    this.#keepAlive = false;
    this.#answerError(error, detail);
  }

  /** More of the request's body. Returns the index just past it. */
  requestBytes(buffer: Buffer, start: number, end: number): number {
    const bodyEnd = this.request.push(buffer, start, end);
    if (bodyEnd < 0) {
      this.#fail(errors.badRequest, this.request.fault);
      return end;
    }
    const { limits } = this.#context;
    if (limits.bodySize > 0 && this.request.bytes > limits.bodySize) {
      this.#fail(errors.contentTooLarge, '');
      return end;
    }
    const connection = this.#attempt.connection!;
    this.#intact = false;
    connection.socket.sendBytes(buffer, start, bodyEnd);
    if (this.#state === State.waiting) connection.deadline = clock.now + limits.responseTimeout;
    else if (connection.deadline !== Number.POSITIVE_INFINITY) {
      // An instance that has begun its answer may read the whole request before it goes on.
      connection.deadline = clock.now + limits.responseIdleTimeout;
    }
    this.#client.connection.deadline = clock.now + limits.bodyIdleTimeout;
    return bodyEnd;
  }

  /** The client's connection is gone. */
  clientClosed(): void {
    if (this.#state === State.idle || this.#state === State.tunnel) return;
    if (this.#state === State.seeking) this.#route!.service.forget(this);
    this.#leaveInstance(false);
    this.#end(errors.clientGone);
  }

  clientDrained(): void {
    if (this.#state !== State.responding && this.#state !== State.waiting) return;
    const connection = this.#attempt.connection!;
    if (this.#state === State.responding) {
      connection.deadline = clock.now + this.#context.limits.responseIdleTimeout;
    }
    connection.socket.resume();
  }

  /** The client's deadline passed in the middle: not sending, not reading, or half closed without progress. */
  clientExpired(): void {
    const { limits } = this.#context;
    const connection = this.#client.connection;
    const waitsForBody = !this.request.done && !this.blocked;
    const waitsForReader = this.#state === State.responding && connection.stalled;
    const patience = this.#client.halfClosed ? limits.halfCloseTimeout : limits.bodyIdleTimeout;
    if (this.#client.halfClosed || waitsForBody || waitsForReader) {
      if (clock.now - connection.movedAt >= patience) {
        if (this.#client.halfClosed) connection.reset();
        else this.#fail(waitsForBody ? errors.requestTimeout : errors.idleTimeout, waitsForBody ? 'body' : 'reader');
        return;
      }
      connection.deadline = Math.min(connection.movedAt + patience, clock.now + patience);
      return;
    }
    connection.deadline = clock.now + patience;
  }

  // ---- from the balancer ----

  assigned(upstream: Upstream): void {
    const repeatable = this.request.done && isIdempotent(this.#method);
    this.#state = State.connecting;
    if (this.#attempt.begin(upstream, this, this.#context, repeatable)) this.upstreamConnected();
  }

  refused(error: EdgeError): void {
    this.#answerError(error, '');
  }

  // ---- from the instance ----

  upstreamConnected(): void {
    const connection = this.#attempt.connection!;
    this.#state = State.waiting;
    this.#attempt.sent();
    connection.deadline = clock.now + this.#context.limits.responseTimeout;
    connection.socket.send(this.#opening);
    if (!this.request.done && !connection.socket.stalled) this.#client.resumeBody();
  }

  upstreamBytes(buffer: Buffer, start: number, end: number): boolean {
    if (this.#state === State.responding) return this.#relay(buffer, start, end);
    if (this.#partialHead.empty) return this.#readHead(buffer, start, end);
    const complete = this.#partialHead.append(buffer, start, end, this.#context.limits.headSize);
    if (complete === 0) return true;
    if (complete < 0) {
      this.#fail(errors.badResponse, complete === -2 ? 'head too large' : 'bare CR or LF');
      return false;
    }
    const bytes = this.#partialHead.take();
    return this.#readHead(bytes, 0, bytes.length);
  }

  upstreamDrained(): void {
    if (!this.request.done) this.#client.resumeBody();
  }

  upstreamEnded(): void {
    if (this.#state === State.responding && this.response.ended()) this.#complete(false);
    else if (this.#state === State.responding) this.#fail(errors.brokeOff, 'closed early');
    else this.#closedBeforeAnswer(errors.instanceClosed, 'closed');
  }

  upstreamClosed(error: EdgeError | null, detail: string): void {
    if (this.#state === State.responding) this.#fail(errors.brokeOff, detail);
    else if (this.#state === State.connecting) this.#connectFailed(error ?? errors.connect, detail);
    else this.#closedBeforeAnswer(error ?? errors.instanceClosed, detail);
  }

  upstreamExpired(): void {
    if (this.#state === State.responding) this.#fail(errors.brokeOff, 'no bytes for too long');
    else if (this.request.done || this.blocked) this.#fail(errors.responseTimeout, '');
    // The client is the one who is late, and has its own deadline.
    else this.#attempt.connection!.deadline = clock.now + this.#context.limits.responseTimeout;
  }

  #connectFailed(error: EdgeError, detail: string): void {
    const upstream = this.#attempt.upstream!;
    this.#leaveInstance(false);
    const retry = error.retry && this.#attempt.mayRetry(this.#context, this.#startedAt);
    if (retry && this.#attempt.failedToConnect(upstream, this.#route!.service)) this.#seekAgain();
    else this.#answerError(error, detail);
  }

  /** A reused connection may have been closed before the request reached it (RFC 9112 9.3.1): try a new one. */
  #closedBeforeAnswer(error: EdgeError, detail: string): void {
    const attempt = this.#attempt;
    const stale = attempt.connection!.reused && this.#partialHead.empty;
    const repeatable = this.#intact && this.request.done && isIdempotent(this.#method);
    this.#leaveInstance(false);
    if (stale && repeatable && attempt.mayRetry(this.#context, this.#startedAt)) {
      attempt.wasStale();
      this.#seekAgain();
    } else this.#answerError(error, detail);
  }

  #seekAgain(): void {
    this.#state = State.seeking;
    this.#route!.service.seek(this);
  }

  // ---- the answer ----

  /** Heads in buffer[start,end): interim ones are relayed (RFC 9110 15.2), the final one begins the answer. */
  #readHead(buffer: Buffer, start: number, end: number): boolean {
    const { headSize, headCount } = this.#context.limits;
    while (start < end) {
      const length = head.parse(buffer, start, end, headSize, headCount);
      if (length === 0) {
        this.#partialHead.begin(buffer, start, end);
        break;
      }
      if (length < 0) {
        this.#fail(errors.badResponse, length === -2 ? 'head too large' : head.fault);
        return false;
      }
      start += length;
      if (head.status === 101) return this.#switch(buffer, start, end);
      if (head.status >= 200) return this.#answer(buffer, start, end);
      if (this.#minor === 1) this.#client.connection.send(writeInterimHead(head));
    }
    return !this.#client.connection.stalled;
  }

  #answer(buffer: Buffer, start: number, end: number): boolean {
    const { limits } = this.#context;
    const framing = head.frame(this.#method);
    this.#dechunk = mustDechunk(framing, this.#minor);
    if (this.#dechunk && !onlyChunked(head)) {
      this.#fail(errors.badResponse, 'a transfer coding that HTTP/1.0 has no field for');
      return false;
    }
    this.response.begin(framing, head.contentLength, limits.headSize, this.#dechunk);
    const bodyEnd = this.response.push(buffer, start, end);
    if (bodyEnd < 0) {
      this.#fail(errors.badResponse, this.response.fault);
      return false;
    }
    this.#keepAfter =
      this.#keepAlive &&
      this.request.done &&
      framing !== Framing.untilClose &&
      !this.#dechunk &&
      !this.#client.leaves();
    const after = !this.#keepAfter ? After.close : this.#minor === 1 ? After.silent : After.keepAlive;
    const text = writeResponseHead(head, this.#route!, this.#id, after, this.#minor === 0);
    this.#attempt.answered(head.status, this.#context.host.access !== null);
    this.#beginAnswer(head.status);
    this.#state = State.responding;
    const reusable = head.keepAlive && bodyEnd === end;
    const { connection: client } = this.#client;
    if (bodyEnd === start) client.send(text);
    else if (this.#dechunk || bodyEnd - start > head.text.length - head.length) {
      client.send(text);
      this.#write(buffer, start, bodyEnd);
    } else client.send(text + head.text.slice(head.length, head.length + bodyEnd - start));
    this.#reusable = reusable;
    return this.#afterWrite(bodyEnd === end);
  }

  #reusable = false;

  #relay(buffer: Buffer, start: number, end: number): boolean {
    const bodyEnd = this.response.push(buffer, start, end);
    if (bodyEnd < 0) {
      this.#fail(errors.brokeOff, this.response.fault);
      return false;
    }
    this.#write(buffer, start, bodyEnd);
    return this.#afterWrite(bodyEnd === end);
  }

  #write(buffer: Buffer, start: number, end: number): void {
    const { connection } = this.#client;
    if (!this.#dechunk) {
      connection.sendBytes(buffer, start, end);
      return;
    }
    const payload = this.response.payload(buffer);
    if (payload.length > 0) connection.sendBytes(payload, 0, payload.length);
  }

  /** @param clean the instance sent nothing after its answer. Returns whether to read on. */
  #afterWrite(clean: boolean): boolean {
    if (this.response.done) {
      this.#complete(clean && this.#reusable);
      return true;
    }
    const connection = this.#attempt.connection!;
    if (this.#client.connection.stalled) {
      connection.deadline = Number.POSITIVE_INFINITY;
      return false;
    }
    connection.deadline = clock.now + this.#context.limits.responseIdleTimeout;
    return true;
  }

  #complete(reusable: boolean): void {
    const now = performance.now();
    this.#leaveInstance(reusable && this.request.done, now);
    this.#end(null, now);
  }

  /** 101: the head ends both response times; then bytes pass both ways (RFC 9110 7.8). */
  #switch(buffer: Buffer, start: number, end: number): boolean {
    if (!this.#upgrade) {
      this.#fail(errors.badResponse, '101 without Upgrade');
      return false;
    }
    const client = this.#client;
    const connection = this.#attempt.connection!;
    const route = this.#route!;
    this.#attempt.answered(101, this.#context.host.access !== null);
    this.#beginAnswer(101);
    client.connection.send(writeResponseHead(head, route, this.#id, After.silent, false));
    const now = performance.now();
    this.#attempt.ended(now);
    route.app.series.responseEnded(101, (now - this.#startedAt) / 1000);
    this.#state = State.tunnel;
    connection.deadline = Number.POSITIVE_INFINITY;
    const upstream = this.#attempt.upstream!;
    const tunnel = new Tunnel(client.connection, connection, route.port.httpOptions.idleTimeout, (error) => {
      route.service.release(upstream);
      if (error !== null) this.#report(error, '');
      this.#log(error, tunnel.bytesIn, tunnel.bytesOut);
    });
    client.handOver(tunnel);
    return start < end ? tunnel.upstreamBytes(buffer, start, end) : true;
  }

  #beginAnswer(status: number): void {
    this.#status = status;
    this.#series().responseBegun(status);
  }

  #series() {
    return this.#route?.app.series ?? this.#client.connection.series ?? this.#context.unnamed;
  }

  // ---- ends ----

  /** The instance has no more to do with this request. */
  #leaveInstance(reusable: boolean, now = performance.now()): void {
    if (this.#attempt.upstream === null) return;
    this.#partialHead.clear();
    this.#attempt.leave(this.#route!.service, reusable, this.#context, now);
  }

  /** An error in the middle: answered when nothing was begun, else the client sees a broken answer. */
  #fail(error: EdgeError, detail: string): void {
    this.#leaveInstance(false);
    if (this.#status === 0) {
      this.#answerError(error, detail);
      return;
    }
    this.#report(error, detail);
    // An answer that ends with the connection looks complete after FIN: only RST tells.
    if (this.response.framing === Framing.untilClose || this.#dechunk) this.#client.connection.reset();
    else this.#client.connection.destroy();
    this.#end(error);
  }

  #answerError(error: EdgeError, detail: string): void {
    this.#report(error, detail);
    this.#keepAfter = this.#keepAlive && this.request.done && !this.#client.leaves() && error.status !== 400;
    const text = errorAnswer(error, this.#route, this.#id, this.#connectionField(), this.#method === 'HEAD');
    this.#beginAnswer(error.status);
    this.#client.connection.send(text);
    this.#end(error);
  }

  #redirect(request: RequestHead, route: Route): void {
    const port = route.port.httpsPort === 443 ? '' : `:${route.port.httpsPort}`;
    const path = request.text.slice(request.pathStart, request.pathEnd);
    const location = `https://${request.host}${port}${path === '*' ? '/' : path}`;
    this.#keepAfter = this.#keepAlive && this.request.done && !this.#client.leaves();
    this.#beginAnswer(301);
    this.#client.connection.send(redirectAnswer(location, route, this.#id, this.#connectionField()));
    this.#end(null);
  }

  #connectionField(): string {
    if (!this.#keepAfter) return 'Connection: close\r\n';
    return this.#minor === 1 ? '' : 'Connection: keep-alive\r\n';
  }

  #report(error: EdgeError, detail: string): void {
    if (!error.counted) return;
    const series = this.#series();
    series.failed(error);
    this.#context.host.error(error, series.app, this.#attempt.instance, this.#id, detail);
  }

  #end(error: EdgeError | null, now = performance.now()): void {
    const bytesIn = this.request.bytes;
    const bytesOut = this.response.bytes;
    if (this.#status !== 0) {
      this.#series().responseEnded(this.#status, (now - this.#startedAt) / 1000);
    }
    this.#state = State.idle;
    this.#opening = '';
    if (this.#context.host.access !== null) this.#log(error, bytesIn, bytesOut);
    this.#client.exchangeEnded(this.#keepAfter);
  }

  #log(error: EdgeError | null, bytesIn: number, bytesOut: number): void {
    this.#context.host.access?.({
      app: this.#series().app,
      instance: this.#attempt.instance,
      client: this.#client.connection.client.address,
      method: this.#method,
      host: this.#host,
      path: this.#path,
      status: this.#status,
      bytesIn,
      bytesOut,
      duration: (performance.now() - this.#startedAt) / 1000,
      wait: this.#attempt.waited / 1000,
      attempts: this.#attempt.count,
      request: this.#id,
      error: error?.code ?? '',
    });
  }

  #reset(startedAt: number): void {
    if (this.#state !== State.idle) throw new Error(`exchange begun while ${this.#state}`);
    this.#attempt.reset();
    this.#startedAt = startedAt;
    this.#route = null;
    this.#method = '';
    this.#minor = 1;
    this.#upgrade = false;
    this.#host = '';
    this.#path = '';
    this.#opening = '';
    this.#intact = true;
    this.#status = 0;
    this.#keepAfter = false;
    this.#dechunk = false;
    this.#reusable = false;
    this.response.begin(Framing.none, 0, 0, false);
  }
}
