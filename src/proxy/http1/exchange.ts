import { performance } from 'node:perf_hooks';
import { decimal } from '../../base/ascii.ts';
import type { PortPlan } from '../../config/plan.ts';
import type { Waiter } from '../balancing/balancer.ts';
import type { Context } from '../context.ts';
import { type EdgeError, errors } from '../errors.ts';
import { Framing } from '../http/message/framing.ts';
import { Id } from '../http/message/names.ts';
import type { RequestHead } from '../http/message/request-head.ts';
import { allowedUpgrades } from '../http/message/upgrade.ts';
import { joined } from '../http/message/values.ts';
import { report } from '../report.ts';
import type { Route } from '../routing/route.ts';
import { Tunnel } from '../tcp/tunnel.ts';
import { clock } from '../transport/clock.ts';
import type { UpstreamEvents } from '../upstream/connection.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Attempt, isIdempotent } from './attempt.ts';
import { Body } from './body.ts';
import { Onward, passed } from './chunked.ts';
import { believedProto } from './forwarding.ts';
import { Pace } from './pace.ts';
import { ReaderPace } from './reader-pace.ts';
import { requestId } from './request-id.ts';
import { RequestRecord } from './request-record.ts';
import { writeRequestHead } from './request-writer.ts';
import { type ResponseOwner, ResponseRelay } from './response-relay.ts';
import type { Http1ServerConnection } from './server-connection.ts';

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

/** So much, about, is kept of a request that waits for an instance: its head, and what came of its body. */
const mostKept = 64 * 1024;

/**
 * One request and its answer, from the request's head to the answer's last byte: chooses an instance, retries,
 * relays the request's body, and ends both. One instance serves all of a connection.
 */
export class Exchange implements Waiter, UpstreamEvents, ResponseOwner {
  readonly #client: Http1ServerConnection;
  readonly #context: Context;
  #state: State = State.idle;
  readonly #record = new RequestRecord();
  /** The request's body on its way to the instance. */
  readonly request = new Body();
  readonly #attempt = new Attempt();
  readonly #pace = new Pace();
  readonly #readerPace = new ReaderPace();
  readonly #response: ResponseRelay;
  /** Request head and what came of the body with it: all that was taken from the client while `#intact`. */
  #opening = '';
  #intact = true;

  constructor(client: Http1ServerConnection, context: Context) {
    this.#client = client;
    this.#context = context;
    this.#response = new ResponseRelay(client, context, this.#record, this.request, this.#attempt, this);
  }

  get tried(): readonly Upstream[] | null {
    return this.#attempt.tried;
  }

  /** Body bytes of the client have nowhere to go at the moment. */
  get blocked(): boolean {
    if (this.#unsent) return this.#opening.length >= mostKept;
    return this.#attempt.connection?.socket.stalled === true;
  }

  /** It has no instance yet: what comes is kept, so that the client's end is noticed while it waits. */
  get #unsent(): boolean {
    return this.#state === State.seeking || this.#state === State.connecting;
  }

  // ---- from the client ----

  /**
   * Takes over a request. Returns the index just past what belongs to it in buffer[start,end).
   * @param startedAt when its first byte came, `performance.now()`.
   */
  begin(request: RequestHead, buffer: Buffer, start: number, end: number, startedAt: number): number {
    const { limits, reporter } = this.#context;
    const client = this.#client;
    const record = this.#record;
    this.#reset(startedAt);
    record.read(request, reporter.access !== null);
    const route = client.route(request);
    const onward = 'app' in route && route.port.httpOptions.requestTrailers ? Onward.trailers : Onward.chunks;
    const { framing, contentLength, connectionOptions } = request;
    this.request.begin(framing, contentLength, limits.headSize, onward, connectionOptions);
    const bodyEnd = this.request.push(buffer, start, end);
    const body = bodyEnd > start ? passed.bytes.latin1Slice(passed.from, passed.to) : '';
    client.followed = bodyEnd >= 0 && bodyEnd < end;

    if (!('app' in route)) {
      this.#answerError(route, request.host);
      return bodyEnd < 0 ? end : bodyEnd;
    }
    record.route = route;
    client.connection.name(route.app.series);
    if (client.connection.gone) return end;
    if (bodyEnd < 0) {
      this.#answerError(errors.badRequest, this.request.fault);
      return end;
    }
    if (request.method === 'CONNECT') {
      this.#answerError(errors.methodNotAllowed, '');
      return bodyEnd;
    }
    if (request.maxForwards === 0) {
      this.#goNoFurther(request.method);
      return bodyEnd;
    }
    if (route.port.forceHttps && !client.secure && !this.#cameByHttps(request)) {
      this.#redirect(request, route);
      return bodyEnd;
    }
    if (limits.bodySize > 0 && (request.contentLength > limits.bodySize || this.request.bytes > limits.bodySize)) {
      this.#answerError(errors.contentTooLarge, '');
      return bodyEnd;
    }
    const forwarding = client.forwarding(route, request);
    const pooled = route.balancer.plan.concurrency.type === 'requests';
    const { trusted } = client.connection;
    if (request.upgrade) {
      record.upgrade = allowedUpgrades(joined(request, Id.upgrade), route.port.httpOptions.upgrades);
    }
    this.#opening = writeRequestHead(request, forwarding, this.#context, trusted, record, !pooled);
    this.#opening += body;
    client.connection.deadline = clock.now + limits.bodyIdleTimeout;
    this.#seek();
    return bodyEnd;
  }

  /** An error before there was a request to route: 400, 408, 431, 505. */
  refuse(error: EdgeError, startedAt: number, detail: string): void {
    this.#reset(startedAt);
    this.request.begin(Framing.none, 0, 0);
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
    const { bytes, from, to } = passed;
    if (this.#unsent) {
      this.#opening += bytes.latin1Slice(from, to);
      this.#client.connection.deadline = clock.now + limits.bodyIdleTimeout;
      return bodyEnd;
    }
    const connection = this.#attempt.connection!;
    this.#intact = false;
    this.#opening = '';
    if (to > from) connection.socket.sendBytes(bytes, from, to);
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
    this.#leaveInstance();
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

  /** Once a second: who sends a body, or reads an answer, slower than the least rate is let go. */
  sampled(): void {
    const { limits } = this.#context;
    const { route, grpc, expects } = this.#record;
    const rate = route?.port.httpOptions.leastRate ?? limits.leastRate;
    if (rate === 0 || grpc) return;
    const { connection } = this.#client;
    if (this.#state === State.waiting && !this.request.done) {
      const { bytes } = this.request;
      // What a client that waits for 100 (Continue) will send is not late yet.
      this.#pace.look(bytes, !connection.held && (bytes > 0 || !expects), rate, limits.bodyIdleTimeout);
      if (this.#pace.waited >= limits.leastRateAfter && this.#pace.isBehind(rate)) this.#fail(errors.slowRequest, '');
    } else if (this.#state === State.responding && !this.#response.events) {
      this.#readerPace.sampled(connection, rate, limits, () => this.#fail(errors.slowReader, ''));
    }
  }

  /** The client's deadline passed in the middle: not sending, not reading, or half closed without progress. */
  clientExpired(): void {
    const { limits } = this.#context;
    const connection = this.#client.connection;
    const waitsForBody = !this.request.done && !this.#unsent && !this.blocked;
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
    const repeatable = this.request.done && isIdempotent(this.#record.method);
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
    if (!this.request.done) this.#pace.begin();
    connection.deadline = clock.now + this.#context.limits.responseTimeout;
    connection.socket.send(this.#opening);
    if (!this.request.done && !connection.socket.stalled) this.#client.resumeBody();
  }

  upstreamBytes(buffer: Buffer, start: number, end: number): boolean {
    if (this.#state === State.responding) return this.#response.relay(buffer, start, end);
    return this.#response.headBytes(buffer, start, end);
  }

  upstreamDrained(): void {
    if (!this.request.done) this.#client.resumeBody();
  }

  upstreamEnded(): void {
    if (this.#state === State.responding && this.#response.body.ended()) this.answerComplete(false);
    else if (this.#state === State.responding) this.#fail(errors.brokeOff, 'closed early');
    else this.#closedBeforeAnswer(errors.instanceClosed, 'closed');
  }

  upstreamClosed(error: EdgeError | null, detail: string): void {
    if (this.#state === State.responding) {
      // An instance that answers early and closes leaves body bytes unread, which makes its FIN an RST; and what ends with the
      // connection is complete however that ends (RFC 9112 8).
      if (this.#response.early && this.#response.body.ended()) this.answerComplete(false);
      else this.#fail(errors.brokeOff, detail);
    } else if (this.#state === State.connecting) this.#connectFailed(error ?? errors.connect, detail);
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
    this.#attempt.failed(error);
    this.#leaveInstance();
    const { balancer } = this.#record.route!;
    if (this.#attempt.mayTryAnother(error, upstream, balancer, this.#context.limits)) this.#seek();
    else this.#answerError(error, detail);
  }

  /** A reused connection may have been closed before the request reached it (RFC 9112 9.3.1): try a new one. Never once any byte came back. */
  #closedBeforeAnswer(error: EdgeError, detail: string): void {
    const attempt = this.#attempt;
    const { reused } = attempt.connection!;
    const stale = reused && !this.#response.heard;
    const repeatable = this.#intact && this.request.done && isIdempotent(this.#record.method);
    if (!stale) attempt.failed(error);
    this.#leaveInstance();
    if (stale && repeatable && attempt.mayTryAgain(error, reused, this.#context.limits)) this.#seek();
    else this.#answerError(error, detail);
  }

  #seek(): void {
    this.#state = State.seeking;
    this.#record.route!.balancer.seek(this);
  }

  // ---- from the answer ----

  answerBegun(): void {
    this.#state = State.responding;
    if (!this.#response.body.done) this.#readerPace.begin();
  }

  answerComplete(reusable: boolean): void {
    const now = performance.now();
    this.#attempt.complete();
    this.#leaveInstance(this.request.done, reusable, now);
    this.#end(null, now);
  }

  answerFailed(error: EdgeError, detail: string): void {
    this.#fail(error, detail);
  }

  /** 101: the head ends both response times; then bytes pass both ways (RFC 9110 7.8). */
  protocolSwitched(buffer: Buffer, start: number, end: number): boolean {
    const client = this.#client;
    const connection = this.#attempt.connection!;
    const route = this.#record.route!;
    const now = performance.now();
    this.#attempt.ended(now);
    route.app.series.responseEnded(101, (now - this.#record.startedAt) / 1000);
    this.#state = State.tunnel;
    connection.deadline = Number.POSITIVE_INFINITY;
    const upstream = this.#attempt.upstream!;
    const tunnel = new Tunnel(client.connection, connection, route.port.httpOptions.idleTimeout, (error) => {
      route.balancer.release(upstream);
      if (error !== null) this.#report(error, '');
      this.#log(error, tunnel.bytesIn, tunnel.bytesOut);
    });
    client.handOver(tunnel);
    return start < end ? tunnel.upstreamBytes(buffer, start, end) : true;
  }

  // ---- ends ----

  /** The instance, or the queue for one, has no more to do with this request. */
  #leaveInstance(whole = false, reusable = false, now = performance.now()): void {
    if (this.#state === State.seeking) this.#record.route!.balancer.forget(this);
    if (this.#attempt.upstream === null) return;
    this.#response.forgetHead();
    this.#attempt.leave(this.#record.route!.balancer, whole, reusable, this.#context, now);
  }

  /** An error in the middle: answered when nothing was begun, else the client sees a broken answer. */
  #fail(error: EdgeError, detail: string): void {
    this.#attempt.failed(error);
    this.#leaveInstance();
    if (this.#response.status === 0) {
      this.#answerError(error, detail);
      return;
    }
    this.#report(error, detail);
    if (error !== errors.brokeOff || this.request.done || !this.#response.showsBreak) {
      this.#response.breakOff(error === errors.slowReader || error === errors.idleTimeout);
    }
    this.#end(error);
  }

  #answerError(error: EdgeError, detail: string): void {
    this.#report(error, detail);
    this.#response.sendError(error);
    this.#end(error);
  }

  /** TRACE or OPTIONS with `Max-Forwards: 0`: the edge is the final recipient (RFC 9110 7.6.2). */
  #goNoFurther(method: string): void {
    if (method === 'TRACE') this.#answerError(errors.methodNotAllowed, 'Max-Forwards: 0');
    else {
      this.#response.sendOptions();
      this.#end(null);
    }
  }

  /** A trusted proxy took TLS off: sent there again, the client would come back the same way for ever. */
  #cameByHttps(request: RequestHead): boolean {
    return this.#client.connection.trusted && believedProto(request) === 'https';
  }

  #redirect(request: RequestHead, { port }: Route): void {
    const https = redirectPort(request.authority.slice(request.sentHost.length + 1), port);
    const path = request.text.slice(request.pathStart, request.pathEnd);
    this.#response.sendRedirect(`https://${request.sentHost}${https}${path === '*' ? '/' : path}`);
    this.#end(null);
  }

  #report(error: EdgeError, detail: string): void {
    const about = { instance: this.#attempt.instance, request: this.#record.id, detail };
    report(error, this.#response.series, this.#context.reporter, about);
  }

  #end(error: EdgeError | null, now = performance.now()): void {
    const { status, series, body, keepAfter } = this.#response;
    if (status !== 0) series.responseEnded(status, (now - this.#record.startedAt) / 1000);
    this.#state = State.idle;
    this.#opening = '';
    this.#readerPace.end();
    if (this.#context.reporter.access !== null) this.#log(error, this.request.bytes, body.bytes);
    this.#client.exchangeEnded(keepAfter);
  }

  #log(error: EdgeError | null, bytesIn: number, bytesOut: number): void {
    const { method, host, path, id, startedAt } = this.#record;
    this.#context.reporter.access?.({
      app: this.#response.series.app,
      instance: this.#attempt.instance,
      client: this.#client.connection.client.address,
      method,
      host,
      path,
      status: this.#response.status,
      bytesIn,
      bytesOut,
      duration: (performance.now() - startedAt) / 1000,
      wait: this.#attempt.waited / 1000,
      attempts: this.#attempt.count,
      request: id,
      error: error?.code ?? '',
    });
  }

  #reset(startedAt: number): void {
    if (this.#state !== State.idle) throw new Error(`exchange begun while ${this.#state}`);
    this.#attempt.reset();
    this.#response.reset();
    this.#record.reset(requestId(this.#context.region), startedAt);
    this.#opening = '';
    this.#intact = true;
  }
}

/**
 * The port that `force_https` sends a client to. Host says by which way it came: by a port that `ports` maps, then the mapped
 * one for https; by any other, or none, it knows public ports alone.
 * @param came port of Host, '' for none
 */
function redirectPort(came: string, { publicPort, localPort, httpsPort, localHttpsPort }: PortPlan): string {
  const mapped = localPort !== publicPort && decimal(came) === localPort;
  const port = mapped ? localHttpsPort : httpsPort;
  return port === 443 ? '' : `:${port}`;
}
