import type { ListenerPlan } from '../../config/plan.ts';
import type { Context } from '../context.ts';
import { HttpClient, type HttpPort } from '../http1/client.ts';
import { HostTable } from '../routing/hosts.ts';
import type { App, Route } from '../routing/route.ts';
import { TcpClient } from '../tcp/tcp-client.ts';
import type { CertificateStore, KeyPair, TlsVersion } from '../tls/certificates.ts';
import { Handshake } from '../tls/handshake.ts';
import type { ClientConnection } from './client-connection.ts';
import { Prelude } from './prelude.ts';

export type Certificates = CertificateStore<KeyPair & { hostnames: string[] }>;

/** One local port in one worker: who is behind it, and what is spoken first. */
export class Listener {
  readonly plan: ListenerPlan;
  readonly routes: HostTable<Route>;
  /** When one app has the port alone, no name is needed to find it. */
  readonly only: Route | null;
  readonly certificates: Certificates;
  /** For names without a certificate, where an app on the port asks for it. */
  readonly selfSigned: KeyPair | null;
  readonly versions: readonly TlsVersion[];
  readonly allHttp: boolean;
  readonly #context: Context;
  readonly #http: HttpPort;
  readonly #proxyProtocol: 'off' | 'optional' | 'required';

  constructor(
    plan: ListenerPlan,
    routes: Route[],
    certificates: Certificates,
    selfSigned: KeyPair | null,
    proxyProtocol: 'off' | 'optional' | 'required',
    context: Context,
  ) {
    this.plan = plan;
    this.routes = new HostTable(
      routes.flatMap((route) => route.app.plan.hostnames.map((name) => [name, route] as const)),
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
        this.speakHttp(connection, early, false, null);
        return;
      case 'raw':
        this.speakTcp(connection, this.only!, early);
        return;
      default:
        connection.protocol = new Handshake(connection, this, this.#context, false);
        this.#feed(connection, early);
    }
  }

  speakHttp(connection: ClientConnection, early: Buffer | null, secure: boolean, named: App | null): void {
    connection.protocol = new HttpClient(connection, this.#context, this.#http, secure, named);
    this.#feed(connection, early);
  }

  speakTcp(connection: ClientConnection, route: Route, early: Buffer | null): void {
    const client = new TcpClient(connection, route, this.#context, early);
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
