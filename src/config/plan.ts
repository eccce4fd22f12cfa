/**
 * The plan: edge.toml and every fly.toml, read, checked and resolved into what the processes need.
 * It is plain data (structured clone), made once per generation by `src/config` and sent to each worker.
 * All times are milliseconds, all sizes bytes, unless a name says otherwise.
 */

import type { Identity } from '../base/self-signed.ts';
import type { Origin } from './fault.ts';

export interface Plan {
  region: string;
  host: string;
  listeners: ListenerPlan[];
  apps: AppPlan[];
  certificates: CertificatePlan[];
  /** Made once by the supervisor when a port asks for `default_self_signed`, so that all workers show the same certificates. */
  identity?: Identity;
  /** `hosts`: names that the metrics listener is asked by. */
  metrics: { host: string; port: number; hosts: string[]; buckets: number[] | null; origin?: Origin };
  /** `file`: absolute; null for stdout and stderr. */
  log: { access: boolean; file: string | null };
  slots: SlotsPlan;
  trustedProxies: { cidrs: string[]; proxyProtocol: 'off' | 'optional' | 'required'; flyClientIp: boolean };
  limits: Limits;
  /** Absent from a supervisor that knows no such table. */
  resolver?: ResolverPlan;
  /** An operator's series are its apps' and those that belong to no app. */
  organizations: { slug: string; id: number; operator?: boolean }[];
  /** The query API, `fly-edge gateway`; null when edge.toml has none. */
  gateway?: GatewayPlan | null;
  volumes?: { id: string; app: string; lv: string }[];
}

/** How host names of instances are resolved; null: as `/etc/resolv.conf` says. */
export interface ResolverPlan {
  /** DNS servers, `address` or `address:port`. */
  servers: string[] | null;
  search: string[] | null;
  ndots: number | null;
  /** Absolute path of the hosts file. */
  hosts: string;
}

export interface GatewayPlan {
  host: string;
  port: number;
  /** Names that both of its listeners are asked by. */
  hosts: string[];
  /** As in edge.toml, `{tenant}` included. */
  storage: string;
  /** Absolute path of the root keys' file. */
  keys: string;
  /** Location in the tokens that are issued and taken here. */
  location: string;
  /** Where its own series are. */
  metrics: { host: string; port: number };
  /** What one organization may do, each. */
  limits: GatewayLimits;
}

export interface GatewayLimits {
  /** Queries in the engine at once, of all organizations; null: one fewer than it takes. */
  engineConcurrency: number | null;
  /** Queries of one organization that wait, and how long, in ms. */
  queue: number;
  queueTimeout: number;
  /** Queries at once. */
  concurrency: number;
  /** From a query's arrival to its answer's last byte. */
  timeout: number;
  /** Bytes of one answer, as they travel. */
  responseSize: number;
  /** Bytes of one query's parameters. */
  requestSize: number;
}

export interface SlotsPlan {
  workers: number;
  /** From the start of a slot until it could accept, besides its health checks' own timeouts. */
  readyTimeout: number;
  maxDraining: number;
  drainTimeout: number;
  websocketDrainTimeout: number;
  /** Absolute path of the control socket; null with `run --to`, which has no file to find it by. */
  control: string | null;
}

/** One local port. `raw` belongs to one app; `tls` and `http` ports are shared by SNI and Host. */
export interface ListenerPlan {
  /** `address:port`, unique; names the listening socket between supervisor and workers. */
  key: string;
  address: string;
  port: number;
  /** What comes first on the wire, after an optional PROXY header. */
  wire: 'raw' | 'http' | 'tls' | 'pg_tls';
  ports: PortPlan[];
  /** Where the first app that listens here says so; absent with `run --to`. */
  origin?: Origin;
}

/** One `[[services.ports]]` entry (or half of `[http_service]`) of one app, on one listener. */
export interface PortPlan {
  /** Index into `Plan.apps`. */
  app: number;
  /** Index into `AppPlan.services`. */
  service: number;
  /** The port that fly.toml names: `Fly-Forwarded-Port`, `X-Forwarded-Port`. */
  publicPort: number;
  /** HTTP inside (after TLS, when `wire` is `tls`); false: bytes. */
  http: boolean;
  /** PROXY header to the instance: 0 none, else its version. Never with `http`. */
  proxyProto: 0 | 1 | 2;
  forceHttps: boolean;
  /** Where the edge listens for it here. */
  localPort: number;
  /** Public port for force_https' Location, 443 unless another port of the app has http and tls. */
  httpsPort: number;
  /** The same, where the edge listens here: for clients that came by `localPort`. */
  localHttpsPort: number;
  tls: { alpn: string[]; versions: ('TLSv1.2' | 'TLSv1.3')[]; defaultSelfSigned: boolean };
  httpOptions: HttpOptions;
}

export interface HttpOptions {
  /** Keep-alive connection without a request; also a tunnel without bytes. */
  idleTimeout: number;
  /** From a head's first byte to its end. */
  headersReadTimeout: number;
  /** The instance gets `Forwarded` (RFC 7239) too. */
  forwarded: boolean;
  /** Protocols that `Upgrade` may ask for, in lower case. */
  upgrades: string[];
  /** Request trailers go on to the instance. */
  requestTrailers: boolean;
  /** Bytes a second that a client must send or read; 0: none; null: as `Limits` says. */
  leastRate: number | null;
  /** `response.pristine`: no Via, Server, Fly-Request-Id towards the client. */
  pristine: boolean;
  /** Header changes towards the client: lower-case name, original name, values to set, or null to remove. */
  responseHeaders: { name: string; lower: string; values: string[] | null }[];
}

export interface AppPlan {
  name: string;
  org: string;
  /** Lower case; `*.x.y` is a wildcard for one or more labels before it, `*` is any Host. */
  hostnames: string[];
  services: ServicePlan[];
  /** `agent` and `exporters` are `host:port`. `host` is '' for a unix socket. */
  instances: { id: string; host: string; process: string | null; agent?: string | null; exporters?: string[] }[];
  /** Endpoints of the app's own metrics, for the scrape configuration. */
  metrics: { port: number; path: string; https: boolean; processes: string[] }[];
}

export interface ServicePlan {
  internalPort: number;
  concurrency: { type: 'connections' | 'requests'; soft: number; hard: number | null };
  checks: CheckPlan[];
  upstreams: UpstreamPlan[];
}

/** One instance as one service reaches it. */
export interface UpstreamPlan {
  /** `app/service index/instance`: names it between supervisor and workers (leases, health). */
  key: string;
  instance: string;
  /** '' and 0 for a unix socket. */
  host: string;
  port: number;
  /** Absolute path of its unix socket. */
  path?: string;
}

export type CheckPlan = {
  interval: number;
  timeout: number;
  gracePeriod: number;
  /** Version of the PROXY header that the instance expects; absent for none. */
  proxyProto?: 1 | 2;
} & (
  | { type: 'tcp' }
  | {
      type: 'http';
      method: string;
      path: string;
      protocol: 'http' | 'https';
      tlsSkipVerify: boolean;
      tlsServerName: string | null;
      headers: [string, string][];
    }
);

export interface CertificatePlan {
  /** PEM, chain included. */
  cert: string;
  key: string;
  /** Lower case, from subjectAltName (else CN); `*.x.y` wildcards allowed. */
  hostnames: string[];
  /** IP addresses of subjectAltName, as Node writes local ones. */
  addresses?: string[];
  /** For clients without a server name. */
  default?: boolean;
}

/** Every limit of a stranger's growth. The defaults and their reasons stand in `src/config/limits.ts`. */
export interface Limits {
  /** Bytes of one request or response head. */
  headSize: number;
  /** Header fields in one head. */
  headCount: number;
  /** Handshake, from accept. */
  tlsHandshakeTimeout: number;
  /** A PROXY header or the first byte of pg_tls' SSLRequest, from accept. */
  preludeTimeout: number;
  /** Raw TCP without bytes in either direction. */
  tcpIdleTimeout: number;
  /** Body bytes from a client that sends none; write progress to a client that reads none. */
  bodyIdleTimeout: number;
  /** Bytes a second from a client that sends a body, or to one that reads an answer, 0 = any; and how much of such time is free. */
  leastRate: number;
  leastRateAfter: number;
  connectTimeout: number;
  /** From the request's last byte to the response's head. */
  responseTimeout: number;
  /** Response body bytes from an instance that sends none. */
  responseIdleTimeout: number;
  /** After a client's FIN in the middle of an exchange, without progress. */
  halfCloseTimeout: number;
  /** Open client connections of one worker's app, and of the worker in all. */
  connectionsPerApp: number;
  connections: number;
  queueSize: number;
  queueTimeout: number;
  retryAttempts: number;
  retryTime: number;
  /** Failures in a row that eject an instance, 0 = never; for how long, at first and at most; percent of a service's. */
  ejectFailures: number;
  ejectPause: number;
  ejectPauseMost: number;
  ejectShare: number;
  /** Idle connections kept to one upstream, and for how long. */
  poolSize: number;
  poolIdleTimeout: number;
  /** Error log lines a second of one code and app; 0 = no limit. */
  logRate: number;
  /** Largest request body; 0 = no limit. */
  bodySize: number;
}
