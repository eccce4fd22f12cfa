import { unmapped } from '../base/ip.ts';
import type { TcpHandle } from '../base/tcp-handle.ts';
import { TrustedPeers } from '../base/trusted.ts';
import { addressOf } from '../config/address.ts';
import type { AppPlan, ListenerPlan, Plan, UpstreamPlan } from '../config/plan.ts';
import type { Ejection } from '../ipc/messages.ts';
import type { Recorder } from '../metrics/recorder.ts';
import type { Name } from '../resolver/name.ts';
import type { Resolver } from '../resolver/resolver.ts';
import { Admission } from './admission.ts';
import { Balancer } from './balancing/balancer.ts';
import type { Permits } from './balancing/permits.ts';
import type { Context } from './context.ts';
import { errors } from './errors.ts';
import { Listener } from './listener/listener.ts';
import { report } from './report.ts';
import type { Reporter } from './reporter.ts';
import { HostTable } from './routing/hosts.ts';
import { type App, makeRoute, type Route } from './routing/route.ts';
import { EdgeSeries, InstanceSeries } from './series.ts';
import { CertificateStore } from './tls/certificates.ts';
import { SelfSignedStore } from './tls/self-signed-store.ts';
import { ClientConnection, type Protocol } from './transport/client-connection.ts';
import { sweepInterval } from './transport/clock.ts';
import { mostForClients } from './transport/descriptors.ts';
import { Sweep } from './transport/sweep.ts';
import { Upstream } from './upstream/upstream.ts';

/** Connections that the kernel keeps while no worker accepts. */
const backlog = 4096;

/** A connection is given its protocol at once after it is made. */
const nothing: Protocol = {
  onBytes: () => true,
  onEnd() {},
  onDrain() {},
  onClose() {},
  expire() {},
  drain() {},
};

const isTunnel = (connection: ClientConnection): boolean => connection.isTunnel;
const isRequest = (connection: ClientConnection): boolean => !connection.isTunnel;
const isAny = (): boolean => true;

/** The data plane of one worker: all listeners, apps and connections of one generation. */
export class DataPlane implements Context {
  readonly region: string;
  readonly limits: Plan['limits'];
  readonly sweep = new Sweep();
  readonly reporter: Reporter;
  readonly unnamed: EdgeSeries;
  draining = false;
  handover = false;
  readonly #recorder: Recorder;
  readonly #permits: Permits;
  readonly #resolver: Pick<Resolver, 'follow'>;
  readonly trusted: TrustedPeers;
  readonly flyClientIp: boolean;
  readonly #certificates: CertificateStore;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #balancers: Balancer[] = [];
  readonly #balancerOf = new Map<Upstream, Balancer>();
  readonly #apps: App[];
  readonly #hosts: HostTable<App>;
  readonly #listeners = new Map<string, Listener>();
  readonly #handles: { listener: Listener; handle: TcpHandle }[] = [];
  readonly #clients = new Set<ClientConnection>();
  readonly #admission: Admission;
  readonly #drained = Promise.withResolvers<void>();
  readonly #deadlines: NodeJS.Timeout[] = [];
  /** Connections that met the drain's deadline. */
  #cut = 0;

  /** @param ticketKeys 48 bytes each, newest first, shared by all workers. */
  constructor(
    plan: Plan,
    recorder: Recorder,
    reporter: Reporter,
    permits: Permits,
    ticketKeys: readonly Uint8Array[],
    resolver: Pick<Resolver, 'follow'>,
  ) {
    this.#resolver = resolver;
    this.region = plan.region;
    this.limits = plan.limits;
    this.reporter = reporter;
    this.#permits = permits;
    this.#recorder = recorder;
    this.unnamed = new EdgeSeries(recorder, '');
    this.#admission = new Admission(plan.limits, reporter, this.unnamed);
    this.trusted = new TrustedPeers(plan.trustedProxies.cidrs);
    this.flyClientIp = plan.trustedProxies.flyClientIp;
    this.#certificates = new CertificateStore(plan.certificates, ticketKeys);
    this.#apps = plan.apps.map((app) => this.#makeApp(app));
    this.#hosts = new HostTable(this.#apps.flatMap((app) => app.plan.hostnames.map((name) => [name, app] as const)));
    const selfSigned = plan.identity === undefined ? null : new SelfSignedStore(plan.identity);
    for (const listener of plan.listeners) {
      this.#listeners.set(
        listener.key,
        new Listener(
          listener,
          this.#routesOf(listener),
          this.#certificates,
          selfSigned,
          plan.trustedProxies.proxyProtocol,
          this,
        ),
      );
    }
    setInterval(() => this.#tick(), sweepInterval);
  }

  #makeApp(plan: AppPlan): App {
    const ofInstance = new Map(
      plan.instances.map(({ id }) => [id, new InstanceSeries(this.#recorder, plan.name, id)] as const),
    );
    const balancers = plan.services.map((service) => {
      const upstreams = service.upstreams.map(
        (upstream) => new Upstream(upstream, service, ofInstance.get(upstream.instance)!, this.#nameOf(upstream)),
      );
      const made = new Balancer(service, upstreams, this.limits, this.#permits);
      for (const upstream of upstreams) {
        this.#upstreams.set(upstream.key, upstream);
        if (this.limits.ejectFailures > 0) upstream.onOutcome = (of) => this.#outcome(of);
        this.#balancerOf.set(upstream, made);
        upstream.name?.followers.add(() => this.#moved(upstream));
      }
      this.#balancers.push(made);
      return made;
    });
    return { plan, series: new EdgeSeries(this.#recorder, plan.name), balancers };
  }

  #nameOf({ host, path }: UpstreamPlan): Name | null {
    return path === undefined ? this.#resolver.follow(host) : null;
  }

  /** Beyond what ejects it, an instance that serves on is worth a message now and then. */
  #outcome(upstream: Upstream): void {
    const { key, failures } = upstream;
    const most = this.limits.ejectFailures;
    if (failures <= most || failures % most === 0) this.reporter.outcome(key, addressOf(upstream), failures);
  }

  #routesOf(listener: ListenerPlan): Route[] {
    return listener.ports.map((port) => {
      const app = this.#apps[port.app]!;
      return makeRoute(app, app.balancers[port.service]!, port);
    });
  }

  appOf(host: string): App | undefined {
    return this.#hosts.find(host);
  }

  // ---- listening ----

  /** Remembers the bound socket of a listener until `accept`. */
  listen(key: string, handle: TcpHandle): void {
    const listener = this.#listeners.get(key);
    if (listener === undefined) throw new Error(`no listener ${key}`);
    this.#handles.push({ listener, handle });
  }

  /** @throws when a socket can't listen. */
  accept(): void {
    for (const { listener, handle } of this.#handles) {
      handle.onconnection = (error, client) => {
        if (error !== 0) this.#acceptFailed(String(error));
        else if (client.fd >= mostForClients) {
          client.reset();
          this.#acceptFailed('EMFILE');
        } else this.#accepted(listener, client);
      };
      const error = handle.listen(backlog);
      if (error !== 0) throw new Error(`${listener.plan.key}: cannot listen (${error})`);
    }
  }

  #acceptFailed(reason: string): void {
    report(errors.accept, this.unnamed, this.reporter, { detail: reason });
  }

  #accepted(listener: Listener, handle: TcpHandle): void {
    const peer: { address?: string; port?: number } = {};
    handle.getpeername(peer);
    const client = { address: unmapped(peer.address ?? ''), port: peer.port ?? 0 };
    const connection = new ClientConnection(handle, client, this, nothing);
    this.#clients.add(connection);
    this.sweep.add(connection);
    connection.trusted = this.trusted.has(client.address);
    if (this.#admission.accepted(connection)) listener.begin(connection);
  }

  connectionNamed(connection: ClientConnection, series: EdgeSeries): void {
    this.#admission.named(connection, series);
  }

  connectionClosed(connection: ClientConnection): void {
    this.#clients.delete(connection);
    this.sweep.remove(connection);
    this.#admission.closed(connection.series);
    if (this.draining) this.#endIfDrained();
  }

  /** Client connections open now. */
  connections(): number {
    return this.#admission.open;
  }

  // ---- what the supervisor says ----

  setHealth(key: string, healthy: boolean): void {
    const upstream = this.#upstreams.get(key);
    if (upstream === undefined || upstream.checked === healthy) return;
    upstream.checked = healthy;
    this.#balancerOf.get(upstream)!.judge();
  }

  setEjection(key: string, address: string, ejection: Ejection): void {
    const upstream = this.#upstreams.get(key);
    if (upstream === undefined || addressOf(upstream) !== address) return;
    upstream.ejection = ejection;
    // The first success of a trial is to be told.
    upstream.failures = ejection === 'trial' ? 1 : 0;
    this.#balancerOf.get(upstream)!.judge();
  }

  /** Its name has other addresses: no request goes to those that it had. */
  #moved(upstream: Upstream): void {
    upstream.pool.clear(({ left }) => left);
    this.#balancerOf.get(upstream)!.judge();
  }

  grant(key: string, permits: number): void {
    const upstream = this.#upstreams.get(key);
    if (upstream === undefined) {
      this.#permits.release(key, permits);
      return;
    }
    this.#balancerOf.get(upstream)!.grant(upstream, permits);
  }

  /** Another worker waits: what is unused goes back now, and `owed` in all as they come free. */
  recall(key: string, owed: number): void {
    const upstream = this.#upstreams.get(key);
    if (upstream === undefined) return;
    const back = upstream.recall(owed);
    if (back > 0) this.#permits.release(key, back);
  }

  setOthers(key: string, inFlight: number): void {
    const upstream = this.#upstreams.get(key);
    if (upstream !== undefined) upstream.others = inFlight;
  }

  setTicketKeys(keys: readonly Uint8Array[]): void {
    this.#certificates.setTicketKeys(keys);
  }

  /** In flight by upstream, those that changed since the last call. */
  inFlight(): [key: string, inFlight: number][] {
    const changed: [string, number][] = [];
    for (const upstream of this.#upstreams.values()) {
      if (upstream.inFlight === upstream.reported) continue;
      upstream.reported = upstream.inFlight;
      changed.push([upstream.key, upstream.inFlight]);
    }
    return changed;
  }

  // ---- time ----

  #tick(): void {
    this.sweep.pass();
    for (const balancer of this.#balancers) balancer.expire();
    if (this.draining) this.#endIfDrained();
  }

  // ---- the end ----

  /** Stops accepting; queued connections stay with the socket, which the supervisor keeps. */
  stopAccepting(): void {
    for (const { handle } of this.#handles.splice(0)) {
      handle.onconnection = null;
      handle.close();
    }
  }

  /**
   * Stops accepting, lets every connection end in its own way, and cuts what is left at its deadline.
   * Resolves when no client is left, and all is told of them. When called again, the earlier deadline holds.
   * @param timeout, websocketTimeout milliseconds; upgraded and raw connections have the longer one.
   * @param handover another generation takes over, so that no client may lose a request; else idle ones go at once.
   */
  drain(timeout: number, websocketTimeout: number, handover: boolean): Promise<{ cut: number }> {
    this.stopAccepting();
    this.draining = true;
    this.handover = handover;
    for (const connection of this.#clients) connection.protocol.drain();
    // A request may become a tunnel when the tunnels' time is over: the later deadline spares nobody.
    this.#deadlines.push(
      setTimeout(() => this.#cutAll(timeout < websocketTimeout ? isRequest : isAny), timeout),
      setTimeout(() => this.#cutAll(timeout < websocketTimeout ? isAny : isTunnel), websocketTimeout),
    );
    this.#endIfDrained();
    return this.#drained.promise.then(() => {
      for (const timer of this.#deadlines) clearTimeout(timer);
      return { cut: this.#cut };
    });
  }

  /** A tunnel ends with both its sides, and has to be counted and logged when its client is gone already. */
  #endIfDrained(): void {
    if (this.#clients.size > 0) return;
    for (const { inFlight } of this.#upstreams.values()) if (inFlight > 0) return;
    this.#drained.resolve();
  }

  #cutAll(of: (connection: ClientConnection) => boolean): void {
    for (const connection of this.#clients) {
      // Closed in a later turn: a deadline at the same time may meet it again.
      if (connection.gone || !of(connection)) continue;
      this.#cut++;
      connection.reset();
    }
  }
}
