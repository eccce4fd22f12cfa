import { z } from 'zod';
import { lower } from '../text/ascii.ts';
import { carriesHttp } from '../text/upgrade.ts';
import * as f from './fields.ts';
import { httpDefaults } from './limits.ts';
import { nearest } from './nearest.ts';
import type { TomlFile } from './toml.ts';

/** The shape of fly.toml, as far as it describes traffic; other tools read the rest. */

const processes = f.list(f.text, 'an array of process groups, such as ["web"]').default([]);

const concurrency = f.table({
  type: f.oneOf(['connections', 'requests']).default('connections'),
  soft_limit: f.count(1).optional(),
  hard_limit: f.count(1).optional(),
});

const tlsOptions = f.table({
  alpn: f.list(f.matching(/^[!-~]{1,255}$/, 'a protocol name such as "http/1.1"'), 'an array of protocols').optional(),
  versions: f
    .list(f.oneOf(['TLSv1.2', 'TLSv1.3']), 'an array of "TLSv1.2" and "TLSv1.3"')
    .min(1, 'an array with "TLSv1.2", "TLSv1.3" or both: nothing older is served')
    .default(['TLSv1.2', 'TLSv1.3']),
  default_self_signed: f.flag.default(false),
});

/** RFC 9110 5.6.2. */
const headerName = f.matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a header name (letters, digits, hyphens)');
/** RFC 9110 5.5, without obs-text. */
const headerValue = f.matching(/^([!-~]([\t -~]*[!-~])?)?$/, 'a header value of printable ASCII');
const headerMap = <T extends z.ZodType>(value: T) =>
  z.record(headerName, value, 'a table of header names and values').default({});

const responseHeader = z.union(
  [headerValue.transform((value) => [value]), z.array(headerValue), z.literal(false)],
  'a string of printable ASCII, an array of such strings, or false to remove the header',
);

/**
 * RFC 9110 7.8: a name, or a name with its version. These would be HTTP again, with every field that the edge sets left
 * for the client to forge.
 */
const upgrade = f.parsed(
  'a protocol such as "websocket" or "name/1.0", but none that carries HTTP past the edge (h2c, h2, http, tls)',
  (text) => {
    const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$/;
    return token.test(text) && !carriesHttp(text) ? lower(text) : undefined;
  },
);

const httpOptions = f.table({
  compress: f.flag.default(false),
  h2_backend: f.flag.default(false),
  idle_timeout: f.seconds.optional(),
  headers_read_timeout: f.seconds.optional(),
  forwarded: f.flag.default(httpDefaults.forwarded),
  upgrades: f.list(upgrade, 'an array of protocols, such as ["websocket"]').default(httpDefaults.upgrades),
  request_trailers: f.flag.default(httpDefaults.requestTrailers),
  response: f.table({ headers: headerMap(responseHeader), pristine: f.flag.default(false) }).prefault({}),
});

const checkTimes = {
  interval: f.checkTime(1).default(15_000),
  timeout: f.checkTime(1).default(2_000),
  grace_period: f.checkTime(0).default(1_000),
};

const tcpCheck = f.table(checkTimes);

const httpCheck = f.table({
  ...checkTimes,
  method: f.matching(/^[A-Za-z]{1,20}$/, 'a method such as "get"').default('GET'),
  path: f.matching(/^\/[!-~]*$/, 'a path that begins with "/" and has no spaces, such as "/health"').default('/'),
  protocol: f.oneOf(['http', 'https']).default('http'),
  tls_skip_verify: f.flag.default(false),
  tls_server_name: f.matching(/^[A-Za-z0-9_.-]+$/, 'a host name').optional(),
  headers: headerMap(headerValue),
});

const checkList = <T extends z.ZodType>(item: T) =>
  f.list(item, 'one table in double brackets for each check').default([]);

const ports = f.table({
  port: f.port.optional(),
  start_port: f.port.optional(),
  end_port: f.port.optional(),
  handlers: f
    .list(f.oneOf(['http', 'tls', 'proxy_proto', 'pg_tls', 'edge_http']), 'an array such as ["tls", "http"]')
    .default([]),
  force_https: f.flag.default(false),
  tls_options: tlsOptions.prefault({}),
  http_options: httpOptions.prefault({}),
  proxy_proto_options: f.table({ version: f.oneOf(['v1', 'v2']).default('v1') }).optional(),
});

const common = {
  internal_port: f.port.default(8080),
  processes,
  concurrency: concurrency.prefault({}),
  /** For whoever runs the instances: read by others, ignored here. */
  machine_checks: z.unknown().optional(),
};

const service = f.table({
  ...common,
  protocol: f.oneOf(['tcp', 'udp']).default('tcp'),
  ports: f.list(ports, 'one [[services.ports]] for each port').default([]),
  tcp_checks: checkList(tcpCheck),
  http_checks: checkList(httpCheck),
});

const httpService = f.table({
  ...common,
  force_https: f.flag.default(false),
  tls_options: tlsOptions.prefault({}),
  http_options: httpOptions.prefault({}),
  checks: checkList(httpCheck),
});

const metrics = f.table({
  port: f.port,
  // A scraper is told path and parameters apart.
  path: f
    .matching(/^\/[!->@-~]*$/, 'a path that begins with "/" and has no query, such as "/metrics"')
    .default('/metrics'),
  https: f.flag.default(false),
  processes,
});

const groupsInstruction = 'a table of process groups and their commands, such as web = "bin/web"';
const groups = z.record(f.text, z.unknown(), groupsInstruction);
/** What old files have instead. */
const noGroups = z
  .array(z.unknown(), groupsInstruction)
  .max(0, groupsInstruction)
  .transform((): Record<string, unknown> => ({}));

const shape = {
  app: f.matching(f.appName, f.appNameInstruction),
  processes: z.union([groups, noGroups], groupsInstruction).default({}),
  http_service: httpService.optional(),
  services: f.list(service, 'one [[services]] for each service').default([]),
  metrics: f.list(metrics, 'one [[metrics]] for each endpoint').default([]),
};

/** Keys at the top that we don't know are other tools'. */
export const flyFile = z.object(shape);
export type FlyFile = z.output<typeof flyFile>;
export type FlyService = z.output<typeof service>;
export type FlyPort = z.output<typeof ports>;
export type HttpCheck = z.output<typeof httpCheck>;

export const flyStandIns = { app: 'none' };

const otherTools =
  'build deploy env mounts vm statics files checks experimental restart console_command primary_region';
const others = new Set([...otherTools.split(' '), 'kill_signal', 'kill_timeout', 'swap_size_mb', 'host_dedication_id']);

/** Other tools' sections pass in silence, but one that looks like a misspelt one of ours must not. */
export function warnOfMisspelt(toml: TomlFile): void {
  for (const key of Object.keys(toml.value)) {
    const near = Object.hasOwn(shape, key) || others.has(key) ? null : nearest(key, Object.keys(shape));
    if (near !== null) {
      toml.warnOfKey([key], `key "${key}" is ignored: did you mean "${near}"?`);
    }
  }
}
