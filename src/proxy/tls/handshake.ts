import { performance } from 'node:perf_hooks';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Context } from '../context.ts';
import type { Listener } from '../listener/listener.ts';
import type { App, Route } from '../routing/route.ts';
import type { ClientConnection, Protocol } from '../transport/client-connection.ts';
import { clock } from '../transport/clock.ts';
import { Lingering } from '../transport/lingering.ts';
import type { TcpSocket } from '../transport/tcp-socket.ts';
import { alertRecord, alerts } from './alert.ts';
import { alpnFor } from './alpn.ts';
import type { KeyPair } from './certificates.ts';
import { type ClientHello, parseClientHello } from './client-hello.ts';

const State = {
  /** The ClientHello comes. */
  hello: 'hello',
  /** OpenSSL has it. */
  handshake: 'handshake',
  over: 'over',
} as const;
type State = (typeof State)[keyof typeof State];

const postgres = ['postgresql'];

/** Methods begin with a capital letter; no TLS record does. */
const isMethod = (byte: number): boolean => byte >= 0x41 && byte <= 0x5a;

/** The TCP socket below closes first, and would not know why: a tunnel passes a client's RST on only when it is told. */
class SecureSocket extends TLSSocket {
  readonly #tcp: TcpSocket;

  constructor(tcp: TcpSocket, options: TLSSocketOptions) {
    super(tcp, options);
    this.#tcp = tcp;
  }

  /**
   * The handshake is over. Until somebody takes control, as `tls.Server` does, Node keeps later errors to itself. Renegotiation
   * would be one: OpenSSL refuses it, and its client could ask for ever (in TLS 1.3 there is none).
   */
  established(): void {
    (this as unknown as { _releaseControl(): void })._releaseControl();
    this.disableRenegotiation();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#tcp.failure ??= error;
    super._destroy(error, callback);
  }
}

/**
 * A TLS handshake: the ClientHello is read here first, since the server name decides certificate, versions and
 * protocols, and Node's own callback for it comes too late for the versions.
 */
export class Handshake implements Protocol {
  readonly #connection: ClientConnection;
  readonly #listener: Listener;
  readonly #context: Context;
  /** PostgreSQL's direct negotiation: ALPN must say so. */
  readonly #direct: boolean;
  #state: State = State.hello;
  #bytes: Buffer = Buffer.alloc(0);
  #route: Route | null = null;
  /** Whose the server name is; null without one. */
  #named: App | null = null;
  /** The server name, when it is a configured hostname. */
  #configured = '';

  constructor(connection: ClientConnection, listener: Listener, context: Context, direct: boolean) {
    this.#connection = connection;
    this.#listener = listener;
    this.#context = context;
    this.#direct = direct;
    connection.deadline = clock.now + context.limits.tlsHandshakeTimeout;
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    if (this.#state !== State.hello) return true;
    this.#bytes =
      this.#bytes.length === 0
        ? Buffer.from(buffer.subarray(start, end))
        : Buffer.concat([this.#bytes, buffer.subarray(start, end)]);
    const hello = parseClientHello(this.#bytes, this.#bytes.length);
    if (hello.state === 'refused' && isMethod(this.#bytes[0]!) && this.#listener.refusePlainHttp(this.#connection)) {
      this.#fail();
    } else if (hello.state === 'refused') {
      this.#refuse(this.#bytes[0] === 22 ? alerts.decodeError : alerts.unexpectedMessage);
    } else if (hello.state === 'hello') this.#choose(hello);
    return true;
  }

  #choose(hello: Extract<ClientHello, { state: 'hello' }>): void {
    const listener = this.#listener;
    const { serverName } = hello;
    // RequestRecord of the kernel only where there is no name.
    const local = serverName === null ? this.#connection.localEnd().address : '';
    const route = serverName === null ? listener.nameless(local) : listener.routes.find(serverName);
    if (serverName !== null) {
      if (route?.app.plan.hostnames.includes(serverName)) this.#configured = serverName;
      this.#named = route?.app ?? null;
    }
    this.#route = route ?? null;
    if (route !== undefined) {
      this.#connection.name(route.app.series);
      if (this.#connection.gone) return;
    }
    const pair = this.#certificate(serverName, local, route);
    // Several apps, some of them not HTTP, and no name: there would be nobody to talk to.
    if (pair === null || (route === undefined && listener.only === null && !listener.allHttp)) {
      this.#refuse(alerts.unrecognizedName);
      return;
    }
    const port = route?.port ?? listener.only?.port ?? listener.plan.ports[0]!;
    const alpn = alpnFor(listener.plan.wire === 'pg_tls' ? postgres : port.tls.alpn, hello.alpn);
    if (alpn.state === 'refused' || (this.#direct && alpn.state === 'none')) {
      this.#refuse(alerts.noApplicationProtocol);
      return;
    }
    const versions = route?.port.tls.versions ?? listener.versions;
    this.#handOver(pair, versions, hello.ticketKey, alpn.state === 'chosen' ? [alpn.protocol] : []);
  }

  #certificate(serverName: string | null, local: string, route: Route | undefined): KeyPair | null {
    const { certificates } = this.#listener;
    if (serverName !== null) return certificates.find(serverName) ?? this.#selfSigned(route, serverName);
    const chosen = certificates.findAddress(local) ?? certificates.default;
    if (chosen !== null) return chosen;
    for (const hostname of route?.app.plan.hostnames ?? []) {
      const pair = certificates.find(hostname);
      if (pair !== null) return pair;
    }
    return this.#selfSigned(route, null);
  }

  /** A name that is somebody's gets a self-signed certificate only where its app asks for it. */
  #selfSigned(route: Route | undefined, serverName: string | null): KeyPair | null {
    const { selfSigned } = this.#listener;
    if (route === undefined) return selfSigned?.anonymous() ?? null;
    return route.port.tls.defaultSelfSigned ? selfSigned!.of(route.app.plan, serverName) : null;
  }

  #handOver(pair: KeyPair, versions: Listener['versions'], ticketKey: string | null, protocols: string[]): void {
    const connection = this.#connection;
    this.#state = State.handshake;
    const { tcp } = connection;
    // A flowing stream would emit what is put back instead of keeping it for the TLS socket.
    tcp.pause();
    tcp.unshift(this.#bytes);
    this.#bytes = Buffer.alloc(0);
    const socket = new SecureSocket(tcp, {
      isServer: true,
      secureContext: this.#listener.certificates.contextFor(pair, versions, ticketKey),
      ...(protocols.length > 0 && { ALPNProtocols: protocols }),
    });
    connection.socket = socket;
    socket.on('secure', () => this.#secured(socket));
    // The reason is OpenSSL's, its alert is with the kernel. RFC 8446 6.2: close at once; a tunnel's other end is told by RST.
    socket.on('error', (error) => socket.destroy(error));
    socket.on('end', () => connection.onEnd());
    socket.on('drain', () => connection.onDrain());
    socket.on('data', (chunk: Buffer) => {
      if (!connection.onBytes(chunk, 0, chunk.length)) socket.pause();
    });
  }

  #secured(socket: SecureSocket): void {
    if (this.#state !== State.handshake) return;
    this.#state = State.over;
    socket.established();
    const connection = this.#connection;
    const listener = this.#listener;
    const series = this.#route?.app.series ?? this.#context.unnamed;
    series.handshakeDone(socket.getProtocol() ?? '', (performance.now() - connection.acceptedAt) / 1000);
    const route = this.#route ?? listener.only;
    if (route !== null ? route.port.http : listener.allHttp) {
      listener.speakHttp(connection, null, socket.getProtocol(), this.#named);
    } else if (route !== null) {
      listener.speakTcp(connection, route, null);
    } else {
      connection.destroy();
    }
  }

  #refuse(alert: number): void {
    this.#fail();
    const record = alertRecord(alert);
    this.#connection.sendBytes(record, 0, record.length);
    Lingering.begin(this.#connection);
  }

  #fail(): void {
    this.#state = State.over;
    (this.#route?.app.series ?? this.#context.unnamed).handshakeFailed(this.#configured);
  }

  onEnd(): void {
    this.#connection.destroy();
  }

  onDrain(): void {}

  /** A connection that closed before its first TLS byte is no failed handshake. */
  onClose(): void {
    if (this.#state === State.handshake || (this.#state === State.hello && this.#bytes.length > 0)) this.#fail();
    this.#state = State.over;
  }

  expire(): void {
    this.#connection.destroy();
  }

  drain(): void {}
}
