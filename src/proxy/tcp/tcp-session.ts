import { encodeProxyHeader } from '../../base/proxy-protocol.ts';
import type { Waiter } from '../balancing/balancer.ts';
import type { Context } from '../context.ts';
import { type EdgeError, errors } from '../errors.ts';
import { report } from '../report.ts';
import type { Route } from '../routing/route.ts';
import type { ClientConnection, Protocol } from '../transport/client-connection.ts';
import { clock } from '../transport/clock.ts';
import { UpstreamConnection, type UpstreamEvents } from '../upstream/connection.ts';
import { Tries } from '../upstream/tries.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Tunnel } from './tunnel.ts';

const State = { seeking: 'seeking', connecting: 'connecting', over: 'over' } as const;
type State = (typeof State)[keyof typeof State];

/** Bytes that are kept of a client that waits; more wait in the kernel. */
const mostKept = 64 * 1024;

/** A raw connection (or what TLS carries) until it has an instance; then it is a tunnel. */
export class TcpSession implements Protocol, Waiter, UpstreamEvents {
  readonly #tries = new Tries();
  readonly #connection: ClientConnection;
  readonly #route: Route;
  readonly #context: Context;
  /** What the client sent before there was anyone to send it to. */
  #early: Buffer | null;
  #ended = false;
  #state: State = State.seeking;
  #upstream: Upstream | null = null;
  /** The last one that was tried, for the log. */
  #instance = '';
  #upstreamConnection: UpstreamConnection | null = null;

  /** @param early bytes that came with the prelude. */
  constructor(connection: ClientConnection, route: Route, context: Context, early: Buffer | null) {
    this.#connection = connection;
    this.#route = route;
    this.#context = context;
    this.#early = early;
    connection.deadline = Number.POSITIVE_INFINITY;
  }

  /** After it is the connection's protocol. */
  begin(): void {
    this.#connection.name(this.#route.app.series);
    if (this.#connection.gone) return;
    this.#route.balancer.seek(this);
    // Only who reads learns that the client has left.
    if (this.#state !== State.over && this.#hasRoom) this.#connection.resume();
  }

  get #hasRoom(): boolean {
    return this.#early === null || this.#early.length < mostKept;
  }

  get tried(): readonly Upstream[] | null {
    return this.#tries.failed;
  }

  assigned(upstream: Upstream): void {
    const { limits, sweep } = this.#context;
    this.#upstream = upstream;
    this.#instance = upstream.instance;
    this.#tries.begin();
    this.#state = State.connecting;
    this.#upstreamConnection = new UpstreamConnection(upstream, this, sweep, limits.connectTimeout);
  }

  refused(error: EdgeError): void {
    this.#fail(error, '');
  }

  upstreamConnected(): void {
    const connection = this.#connection;
    const upstream = this.#upstream!;
    const upstreamConnection = this.#upstreamConnection!;
    const { port, balancer } = this.#route;
    this.#state = State.over;
    if (upstream.failures > 0 && upstream.ejection === 'trial') upstream.succeeded();
    if (port.proxyProto !== 0) {
      const header = encodeProxyHeader(port.proxyProto, connection.client, connection.localEnd());
      upstreamConnection.socket.sendBytes(header, 0, header.length);
    }
    const tunnel = new Tunnel(connection, upstreamConnection, this.#context.limits.tcpIdleTimeout, (error) => {
      if (tunnel.refused) upstream.failed();
      else if (upstream.failures > 0 && tunnel.bytesOut > 0) upstream.succeeded();
      balancer.release(upstream);
      if (error !== null) this.#report(error, '');
    });
    const early = this.#early;
    this.#early = null;
    const more = early === null || tunnel.onBytes(early, 0, early.length);
    if (this.#ended) tunnel.onEnd();
    if (more) connection.resume();
    else connection.pause();
  }

  upstreamClosed(error: EdgeError | null, detail: string): void {
    const upstream = this.#upstream!;
    this.#upstream = null;
    this.#upstreamConnection = null;
    const { balancer } = this.#route;
    const failure = error ?? errors.connect;
    if (failure.source === 'instance') upstream.failed();
    balancer.release(upstream);
    if (this.#tries.mayTryAnother(failure, upstream, balancer.upstreams, this.#context.limits)) {
      this.#state = State.seeking;
      balancer.seek(this);
    } else this.#fail(failure, detail);
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    const bytes = Buffer.from(buffer.subarray(start, end));
    this.#early = this.#early === null ? bytes : Buffer.concat([this.#early, bytes]);
    return this.#hasRoom;
  }

  onEnd(): void {
    this.#ended = true;
  }

  onClose(): void {
    if (this.#state === State.seeking) this.#route.balancer.forget(this);
    else if (this.#state === State.connecting) {
      this.#upstreamConnection!.destroy();
      this.#route.balancer.release(this.#upstream!);
    }
    this.#state = State.over;
  }

  onDrain(): void {}
  drain(): void {}
  expire(): void {
    this.#connection.deadline = clock.now + this.#context.limits.tcpIdleTimeout;
  }
  upstreamBytes(): boolean {
    return false;
  }
  upstreamEnded(): void {}
  upstreamDrained(): void {}
  upstreamExpired(): void {}

  #fail(error: EdgeError, detail: string): void {
    this.#state = State.over;
    this.#report(error, detail);
    this.#connection.reset();
  }

  #report(error: EdgeError, detail: string): void {
    report(error, this.#route.app.series, this.#context.reporter, { instance: this.#instance, detail });
  }
}
