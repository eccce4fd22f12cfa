import type { FlyPort } from './fly-file.ts';
import type { ListenerPlan, PortPlan } from './plan.ts';
import { httpOptionsOf, proxyVersion, type Service, type ServicePort } from './services.ts';
import type { Path, TomlFile } from './toml.ts';

type Wire = ListenerPlan['wire'];

/** What a port of fly.toml asks for, before it has a listener. */
export interface PortRequest {
  at: Path;
  first: number;
  last: number;
  wire: Wire;
  settings: Omit<PortPlan, 'app' | 'service' | 'publicPort' | 'localPort' | 'localHttpsPort'>;
}

/** The ports of one app, service by service. */
export function portsOf(services: Service[], toml: TomlFile): PortRequest[][] {
  const ports = services.flatMap((service) => service.ports);
  const httpsPort = httpsPortOf(ports);
  return services.map((service) => {
    const requests = service.ports.map((port) => portOf(port, httpsPort ?? 443, toml));
    const forced = service.ports.find(({ options }) => options.force_https);
    if (forced !== undefined && httpsPort === null) {
      const message = 'force_https, but no port of this app has the handlers tls and http to send clients to';
      toml.warn([...tableOf(forced.at), 'force_https'], message);
    }
    if (service.concurrency.type === 'requests' && !requests.some(({ settings }) => settings.http)) {
      const message = 'type "requests" without a port that has the http handler: connections are counted';
      toml.warn([...service.at, 'concurrency', 'type'], message);
    }
    return requests;
  });
}

/** 443 when it serves https, else the first port that does. */
function httpsPortOf(ports: ServicePort[]): number | null {
  const https = ports.filter(({ options: { handlers } }) => isHttp(handlers) && handlers.includes('tls'));
  if (https.some(({ first, last }) => first <= 443 && last >= 443)) return 443;
  return https[0]?.first ?? null;
}

const isHttp = (handlers: FlyPort['handlers']): boolean => handlers.includes('http') || handlers.includes('edge_http');
/** The table that a port's number, or http_service itself, stands for. */
const tableOf = (at: Path): Path => (at[0] === 'http_service' ? at : at.slice(0, -1));

function portOf(port: ServicePort, httpsPort: number, toml: TomlFile): PortRequest {
  const { options } = port;
  const at = tableOf(port.at);
  const wire = wireOf(options.handlers, [...at, 'handlers'], toml);
  const http = isHttp(options.handlers);
  if (options.force_https && wire !== 'http') {
    toml.warn([...at, 'force_https'], 'force_https has no effect on a port without plain http');
  }
  const proxied = options.handlers.includes('proxy_proto');
  if (options.proxy_proto_options !== undefined && !proxied) {
    const message = 'proxy_proto_options has no effect without the handler proxy_proto';
    toml.warnOfKey([...at, 'proxy_proto_options'], message);
  }
  return {
    at: port.at,
    first: port.first,
    last: port.last,
    wire,
    settings: {
      http,
      proxyProto: proxied ? proxyVersion(options) : 0,
      forceHttps: options.force_https && wire === 'http',
      httpsPort,
      tls: {
        alpn: alpnOf(options, http, [...at, 'tls_options', 'alpn'], toml),
        versions: [...new Set(options.tls_options.versions)],
        defaultSelfSigned: options.tls_options.default_self_signed,
      },
      httpOptions: httpOptionsOf(options.http_options, [...at, 'http_options'], toml),
    },
  };
}

/** What comes first on the wire; handlers that exclude each other are faults. */
function wireOf(handlers: FlyPort['handlers'], at: Path, toml: TomlFile): Wire {
  const http = isHttp(handlers);
  if (handlers.includes('edge_http')) {
    const i = handlers.indexOf('edge_http');
    toml.warn([...at, i], 'edge_http is obsolete, and read as http: write "http"');
  }
  const exclude = (a: FlyPort['handlers'][number], b: string, write: string): void => {
    toml.fail([...at, handlers.indexOf(a)], `${a} and ${b} exclude each other: ${write}`);
  };
  if (handlers.includes('proxy_proto') && http) {
    exclude('proxy_proto', 'http', 'an http instance finds the client in X-Forwarded-For, so leave proxy_proto out');
  }
  if (!handlers.includes('pg_tls')) return handlers.includes('tls') ? 'tls' : http ? 'http' : 'raw';
  if (handlers.includes('tls')) exclude('pg_tls', 'tls', 'write "pg_tls" alone for PostgreSQL, else "tls"');
  if (http) exclude('pg_tls', 'http', 'write "pg_tls" alone for PostgreSQL');
  return 'pg_tls';
}

/** Over HTTP only http/1.1 is spoken; other bytes are the instance's, and so is what it wants to speak. */
function alpnOf(options: FlyPort, http: boolean, at: Path, toml: TomlFile): string[] {
  const { alpn } = options.tls_options;
  if (!http) return alpn ?? [];
  for (const [i, protocol] of (alpn ?? []).entries()) {
    if (protocol === 'http/1.1') continue;
    const message = protocol === 'h2' ? 'h2 comes later: http/1.1 is offered' : `"${protocol}" is not served over http`;
    toml.warn([...at, i], message);
  }
  return ['http/1.1'];
}
