import type { ListenerPlan } from '../../config/plan.ts';
import type { Context } from '../context.ts';
import { errors } from '../errors.ts';
import { Http1ServerConnection, type HttpPort } from '../http1/server-connection.ts';
import { HostTable } from '../routing/hosts.ts';
import type { App, Route } from '../routing/route.ts';
import { TcpSession } from '../tcp/tcp-session.ts';
import type { CertificateStore, TlsVersion } from '../tls/certificates.ts';
import { Handshake } from '../tls/handshake.ts';
import { isAddress, type SelfSignedStore } from '../tls/self-signed-store.ts';
import type { ClientConnection } from '../transport/client-connection.ts';
import { Prelude } from './prelude.ts';

/** One local port in one worker: who is behind it, and what is spoken first. */
export class Listener {
  readonly plan: ListenerPlan;
  readonly routes: HostTable<Route>;
  /** When one app has the port alone, no name is needed to find it. */
  readonly only: Route | null;
  /** By address, where apps have some among their hostnames: clients give no server name for one (RFC 6066 3). */
  readonly #addresses: HostTable<Route>;
  readonly certificates: CertificateStore;
  /** Where an app on the port asks for it. */
  readonly selfSigned: SelfSignedStore | null;
  readonly versions: readonly TlsVersion[];
  readonly allHttp: boolean;
  readonly #context: Context;
  readonly #http: HttpPort;
  readonly #proxyProtocol: 'off' | 'optional' | 'required';

  constructor(
    plan: ListenerPlan,
    routes: Route[],
    certificates: CertificateStore,
    selfSigned: SelfSignedStore | null,
    proxyProtocol: 'off' | 'optional' | 'required',
    context: Context,
  ) {
    this.plan = plan;
    this.routes = new HostTable(
      routes.flatMap((route) => route.app.plan.hostnames.map((name) => [name, route] as const)),
    );
    this.#addresses = new HostTable(
      routes.flatMap((route) => route.app.plan.hostnames.filter(isAddress).map((name) => [name, route] as const)),
    );
    this.only = routes.length === 1 ? routes[0]! : null;
    this.certificates = certificates;
    this.selfSigned = plan.ports.some((port) => port.tls.defaultSelfSigned) ? selfSigned : null;
    this.versions = [...new Set(plan.ports.flatMap((port) => port.tls.versions))];
    this.allHttp = plan.ports.every((port) => port.http);
    this.#context = context;
    this.#proxyProtocol = proxyProtocol;
    this.#http = {
      routes: this.routes,
      headersReadTimeout: Math.max(...plan.ports.map((port) => port.httpOptions.headersReadTimeout)),
      idleTimeout: Math.max(...plan.ports.map((port) => port.httpOptions.idleTimeout)),
    };
  }

  /** Whose connection it is when its client gives no server name; undefined: the first request tells. */
  nameless(local: string): Route | undefined {
    return this.only ?? this.#addresses.find(local.includes(':') ? `[${local}]` : local);
  }

  /** A connection was accepted. */
  begin(connection: ClientConnection): void {
    const header = this.#proxyProtocol !== 'off' && (connection.trusted || this.#proxyProtocol === 'required');
    if (header || this.plan.wire === 'pg_tls') {
      connection.protocol = new Prelude(connection, this, this.#context, header ? this.#proxyProtocol : 'off');
      connection.resume();
    } else {
      this.speak(connection, null);
    }
  }

  /** After the prelude. @param early bytes that came with it. */
  speak(connection: ClientConnection, early: Buffer | null): void {
    switch (this.plan.wire) {
      case 'http':
        this.speakHttp(connection, early, null, null);
        return;
      case 'raw':
        this.speakTcp(connection, this.only!, early);
        return;
      default:
        connection.protocol = new Handshake(connection, this, this.#context, false);
        this.#feed(connection, early);
    }
  }

  /** @param version of TLS, null without; @param named the app of the server name. */
  speakHttp(connection: ClientConnection, early: Buffer | null, version: string | null, named: App | null): void {
    connection.protocol = new Http1ServerConnection(connection, this.#context, this.#http, version, named);
    this.#feed(connection, early);
  }

  /** Plain HTTP came where TLS should have. False where nobody would understand the answer. */
  refusePlainHttp(connection: ClientConnection): boolean {
    if (!this.plan.ports.some((port) => port.http)) return false;
    const client = new Http1ServerConnection(connection, this.#context, this.#http, null, null);
    connection.protocol = client;
    client.refuseAtOnce(errors.plainHttp);
    return true;
  }

  speakTcp(connection: ClientConnection, route: Route, early: Buffer | null): void {
    const client = new TcpSession(connection, route, this.#context, early);
    connection.protocol = client;
    connection.pause();
    client.begin();
  }

  #feed(connection: ClientConnection, early: Buffer | null): void {
    const more = early === null || early.length === 0 || connection.onBytes(early, 0, early.length);
    if (more) connection.resume();
    else connection.pause();
  }
}
