import { lower } from '../base/ascii.ts';
import type { FlyFile, FlyPort, FlyService, HttpCheck } from './fly-file.ts';
import { httpDefaults } from './limits.ts';
import type { CheckPlan, HttpOptions, ServicePlan } from './plan.ts';
import type { Path, TomlFile } from './toml.ts';

/** A service of fly.toml in one form, whether `[http_service]` or `[[services]]`, and where it stands. */
export interface Service {
  at: Path;
  /** Equal for two services that flyctl takes for one that is written twice. */
  key: string;
  internalPort: number;
  processes: string[];
  concurrency: ServicePlan['concurrency'];
  checks: CheckPlan[];
  ports: ServicePort[];
}

/** A port, or a range of ports, of a service. */
export interface ServicePort {
  /** Where its number stands: faults about the port go there. */
  at: Path;
  first: number;
  last: number;
  options: FlyPort;
}

/** The most ports of one range: each is a listening socket in every process. */
const widestRange = 1024;

/** Response headers that frame the message or the connection: the edge's own to set. RFC 9112 6, RFC 9110 7.6.1. */
const framing = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** All services of an app; those over UDP are left out with a warning. */
export function servicesOf(fly: FlyFile, toml: TomlFile): Service[] {
  const services: Service[] = [];
  if (fly.http_service !== undefined) services.push(fromHttpService(fly.http_service, toml));
  for (const [i, service] of fly.services.entries()) {
    const at: Path = ['services', i];
    if (service.protocol === 'udp') {
      toml.warn([...at, 'protocol'], 'udp is not served here: this service is left out');
      continue;
    }
    services.push({
      at,
      key: keyOf(service, toml.at([...at, 'protocol']) ?? ''),
      ...common(service, at, toml),
      checks: [...service.tcp_checks.map(tcpCheck), ...service.http_checks.map(httpCheck)].map(proxied(service.ports)),
      ports: service.ports.flatMap((port, j) => numbered(port, [...at, 'ports', j], toml)),
    });
  }
  return services;
}

/** `[http_service]` is a service with port 80 for http, and 443 for https. */
function fromHttpService(service: NonNullable<FlyFile['http_service']>, toml: TomlFile): Service {
  const at: Path = ['http_service'];
  const { force_https, tls_options, http_options } = service;
  const port = (number: number, options: Pick<FlyPort, 'handlers' | 'force_https'>): ServicePort => ({
    at,
    first: number,
    last: number,
    options: { ...options, tls_options, http_options },
  });
  return {
    at,
    key: keyOf(service, 'tcp'),
    ...common(service, at, toml),
    checks: [...service.tcp_checks.map(tcpCheck), ...service.checks.map(httpCheck)],
    ports: [
      port(80, { handlers: ['http'], force_https }),
      port(443, { handlers: ['http', 'tls'], force_https: false }),
    ],
  };
}

function keyOf(
  { processes, internal_port }: Pick<FlyService, 'processes' | 'internal_port'>,
  protocol: unknown,
): string {
  const groups = processes.length === 0 ? ['app'] : processes.toSorted();
  return JSON.stringify([groups, protocol, internal_port]);
}

function common(
  service: Pick<FlyService, 'internal_port' | 'processes' | 'concurrency' | 'script_checks'>,
  at: Path,
  toml: TomlFile,
): Pick<Service, 'internalPort' | 'processes' | 'concurrency'> {
  const scripts = service.script_checks;
  if (Array.isArray(scripts) ? scripts.length > 0 : scripts !== undefined) {
    toml.warnOfKey([...at, 'script_checks'], 'script_checks are not run here: write tcp_checks or http checks');
  }
  const { type, soft_limit, hard_limit } = service.concurrency;
  const hard = hard_limit || null;
  // A hard limit alone may be below the default of the soft one.
  const soft = soft_limit || Math.min(20, hard ?? 20);
  if (hard !== null && hard < soft) {
    const message = `hard_limit ${hard} is below soft_limit ${soft}: write ${soft} or more, or a lower soft_limit`;
    toml.fail([...at, 'concurrency', 'hard_limit'], message);
  }
  return { internalPort: service.internal_port, processes: service.processes, concurrency: { type, soft, hard } };
}

/** `port`, or `start_port` and `end_port`. */
function numbered(options: FlyPort, at: Path, toml: TomlFile): ServicePort[] {
  const { port, start_port: first, end_port: last } = options;
  if (port !== undefined && first === undefined && last === undefined) {
    return [{ at: [...at, 'port'], first: port, last: port, options }];
  }
  const fault = (path: Path, message: string): ServicePort[] => {
    toml.fail(path, message);
    return [];
  };
  if (port !== undefined)
    return fault([...at, 'port'], 'port beside start_port or end_port: write only one of the two');
  if (first === undefined || last === undefined) {
    return fault(at, 'a port without its number: write port, or start_port and end_port');
  }
  if (last < first)
    return fault([...at, 'end_port'], `end_port ${last} is below start_port ${first}: write ${first} or more`);
  if (last - first >= widestRange) {
    return fault([...at, 'end_port'], `a range of ${last - first + 1} ports: write at most ${widestRange} of them`);
  }
  return [{ at: [...at, 'start_port'], first, last, options }];
}

/** Checks come without a client, but where the traffic has a PROXY header, so have they. */
function proxied(ports: FlyPort[]): (check: CheckPlan) => CheckPlan {
  const port = ports.find(({ handlers }) => handlers.includes('proxy_proto'));
  return (check) => (port === undefined ? check : { ...check, proxyProto: proxyVersion(port) });
}

export const proxyVersion = ({ proxy_proto_options: options }: FlyPort): 1 | 2 => (options?.version === 'v2' ? 2 : 1);

const tcpCheck = (check: FlyService['tcp_checks'][number]): CheckPlan => ({
  type: 'tcp',
  interval: check.interval,
  timeout: check.timeout,
  gracePeriod: check.grace_period,
});

const httpCheck = (check: HttpCheck): CheckPlan => ({
  type: 'http',
  interval: check.interval,
  timeout: check.timeout,
  gracePeriod: check.grace_period,
  method: check.method.toUpperCase(),
  path: check.path,
  protocol: check.protocol,
  tlsSkipVerify: check.tls_skip_verify,
  tlsServerName: check.tls_server_name ?? null,
  headers: Object.entries(check.headers),
});

/** `http_options`; what is not there yet is warned about at its key. */
export function httpOptionsOf(options: FlyPort['http_options'], at: Path, toml: TomlFile): HttpOptions {
  for (const key of ['compress', 'h2_backend'] as const) {
    if (options[key]) toml.warnOfKey([...at, key], `${key} comes later: it has no effect yet`);
  }
  const headers = Object.entries(options.response.headers);
  for (const [name] of headers) {
    if (!framing.has(lower(name))) continue;
    const message = `header ${name} belongs to the connection, which is the edge's own: leave it out`;
    toml.failKey([...at, 'response', 'headers', name], message);
  }
  return {
    idleTimeout: options.idle_timeout ?? httpDefaults.idleTimeout,
    headersReadTimeout: options.headers_read_timeout ?? httpDefaults.headersReadTimeout,
    forwarded: options.forwarded,
    upgrades: options.upgrades,
    requestTrailers: options.request_trailers,
    leastRate: options.least_rate ?? httpDefaults.leastRate,
    pristine: options.response.pristine,
    responseHeaders: headers.map(([name, values]) => ({
      name,
      lower: lower(name),
      values: values === false ? null : values,
    })),
  };
}
