import { z } from 'zod';
import { decimal, lower, trimOws } from '../base/ascii.ts';
import { carriesHttp } from '../base/upgrade.ts';
import * as f from './fields.ts';
import { httpDefaults } from './limits.ts';
import { parseMetricsPath } from './metrics-path.ts';
import { nearest } from './nearest.ts';
import type { TomlFile } from './toml.ts';

/**
 * The shape of fly.toml, as far as it describes traffic; other tools read the rest. It takes what flyctl takes: a port
 * may be a string, a header's value a number, and an empty string or a limit of 0 is as good as none, as in Go.
 */

/** Digits in quotes are a number, as old files have them. */
const unquoted = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => {
    const number = typeof value === 'string' ? decimal(value) : -1;
    return number === -1 ? value : number;
  }, schema);

const port = unquoted(f.port);
const limit = unquoted(f.count(0)).optional();

/** In quotes too. */
const flag = z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), f.flag);

/** The schema's default for an empty string too. */
const orEmpty = <T extends z.ZodType>(schema: T) => z.preprocess((value) => (value === '' ? undefined : value), schema);

/** The schema's default for 0 too. */
const orZero = <T extends z.ZodType>(schema: T) => z.preprocess((value) => (value === 0 ? undefined : value), schema);

const processes = f.list(f.text, 'an array of process groups, such as ["web"]').default([]);

/** "soft,hard", as files of 2020 have it, counts requests. */
const concurrency = z.preprocess(
  (value) => {
    const [soft, hard, ...more] = typeof value === 'string' ? value.split(',').map((limit) => decimal(limit)) : [];
    const limits = soft !== undefined && hard !== undefined && more.length === 0 && soft >= 0 && hard >= 0;
    return limits ? { type: 'requests', soft_limit: soft, hard_limit: hard } : value;
  },
  f.table({
    type: orEmpty(f.oneOf(['connections', 'requests']).default('connections')),
    soft_limit: limit,
    hard_limit: limit,
  }),
);

const tlsOptions = f.table({
  alpn: f.list(f.matching(/^[!-~]{1,255}$/, 'a protocol name such as "http/1.1"'), 'an array of protocols').optional(),
  versions: f
    .list(f.oneOf(['TLSv1.2', 'TLSv1.3']), 'an array of "TLSv1.2" and "TLSv1.3"')
    .min(1, 'an array with "TLSv1.2", "TLSv1.3" or both: nothing older is served')
    .default(['TLSv1.2', 'TLSv1.3']),
  default_self_signed: flag.default(false),
});

/** RFC 9110 5.6.2. */
const headerName = f.matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a header name (letters, digits, hyphens)');
/** RFC 9110 5.5, without obs-text. */
const headerValue = f.matching(/^([!-~]([\t -~]*[!-~])?)?$/, 'a header value of printable ASCII');
const headerMap = <T extends z.ZodType>(value: T) =>
  z.record(headerName, value, 'a table of header names and values').default({});

/** Blanks around a value are none of it (RFC 9110 5.5). */
const asText = (value: unknown): unknown =>
  typeof value === 'number' ? String(value) : typeof value === 'string' ? trimOws(value) : value;

const responseHeader = z.preprocess(
  (value) => (Array.isArray(value) ? value.map(asText) : asText(value)),
  z.union(
    [headerValue.transform((value) => [value]), z.array(headerValue), z.literal(false)],
    'a string of printable ASCII, an array of such strings, or false to remove the header',
  ),
);
const requestHeader = z.preprocess(
  (value) => (typeof value === 'boolean' ? String(value) : asText(value)),
  headerValue,
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
  compress: flag.default(false),
  h2_backend: flag.default(false),
  idle_timeout: orZero(f.seconds.optional()),
  headers_read_timeout: orZero(f.seconds.optional()),
  forwarded: flag.default(httpDefaults.forwarded),
  upgrades: f.list(upgrade, 'an array of protocols, such as ["websocket"]').default(httpDefaults.upgrades),
  request_trailers: flag.default(httpDefaults.requestTrailers),
  least_rate: f.count(0).optional(),
  response: f.table({ headers: headerMap(responseHeader), pristine: flag.default(false) }).prefault({}),
});

/** flyctl raises an interval of 0 to this. */
const leastInterval = 1_000;
/** Where there is none, or 0. */
const usualTimeout = 2_000;

const checkTimes = {
  interval: orEmpty(f.checkTime(0).default(15_000)).transform((time) => time || leastInterval),
  timeout: orEmpty(f.checkTime(0).default(usualTimeout)).transform((time) => time || usualTimeout),
  grace_period: orEmpty(f.checkTime(0).default(1_000)),
};

const tcpCheck = f.table(checkTimes);

const httpCheck = f.table({
  ...checkTimes,
  method: orEmpty(f.matching(/^[A-Za-z]{1,20}$/, 'a method such as "get"').default('GET')),
  path: orEmpty(
    f.matching(/^\/[!-~]*$/, 'a path that begins with "/" and has no spaces, such as "/health"').default('/'),
  ),
  protocol: orEmpty(f.oneOf(['http', 'https']).default('http')),
  tls_skip_verify: flag.default(false),
  tls_server_name: orEmpty(f.matching(/^[A-Za-z0-9_.-]+$/, 'a host name').optional()),
  headers: headerMap(requestHeader),
});

const checkList = <T extends z.ZodType>(item: T) =>
  f.list(item, 'one table in double brackets for each check').default([]);

const ports = f.table({
  port: port.optional(),
  start_port: port.optional(),
  end_port: port.optional(),
  handlers: f
    .list(f.oneOf(['http', 'tls', 'proxy_proto', 'pg_tls', 'edge_http']), 'an array such as ["tls", "http"]')
    .default([]),
  force_https: flag.default(false),
  tls_options: tlsOptions.prefault({}),
  http_options: httpOptions.prefault({}),
  proxy_proto_options: f.table({ version: orEmpty(f.oneOf(['v1', 'v2']).default('v1')) }).optional(),
});

const common = {
  internal_port: port.default(8080),
  processes,
  concurrency: concurrency.prefault({}),
  /** Commands in the instance's machine. */
  script_checks: z.unknown().optional(),
};

const service = f.table({
  ...common,
  protocol: orEmpty(f.oneOf(['tcp', 'udp']).default('tcp')),
  ports: f.list(ports, 'one [[services.ports]] for each port').default([]),
  tcp_checks: checkList(tcpCheck),
  http_checks: checkList(httpCheck),
});

const httpService = f.table({
  ...common,
  force_https: flag.default(false),
  tls_options: tlsOptions.prefault({}),
  http_options: httpOptions.prefault({}),
  checks: checkList(httpCheck),
  tcp_checks: checkList(tcpCheck),
});

// A scraper is told path and parameters apart, the latter as labels.
const metricsPath = orEmpty(
  f
    .parsed('a path such as "/metrics" or "/metrics?format=prometheus", each parameter once', (text) =>
      parseMetricsPath(text) === null ? undefined : text,
    )
    .default('/metrics'),
);
const metrics = f.table({ port, path: metricsPath, https: flag.default(false), processes });

const groupsInstruction = 'a table of process groups and their commands, such as web = "bin/web"';
const groups = z.record(f.text, z.unknown(), groupsInstruction);
/** Old files have a list of tables with `name` and `command`; flyctl passes over those without a name. */
const groupList = z.array(z.record(z.string(), z.unknown()), groupsInstruction).transform((list) => {
  const named = list.filter(({ name }) => typeof name === 'string' && name !== '');
  return Object.fromEntries(named.map(({ name, command }) => [name as string, command]));
});

const shape = {
  app: f.matching(f.appName, f.appNameInstruction),
  processes: z.union([groups, groupList], groupsInstruction).default({}),
  http_service: httpService.optional(),
  services: f.list(service, 'one [[services]] for each service').default([]),
  metrics: f.list(metrics, 'one [[metrics]] for each endpoint').default([]),
  /** Where the one metrics endpoint stood before `[metrics]`. */
  experimental: z.looseObject({ metrics_port: port.optional(), metrics_path: metricsPath }, 'a table').optional(),
};

/** Keys at the top that we don't know are other tools'. */
export const flyFile = z.object(shape);
export type FlyFile = z.output<typeof flyFile>;

/** The endpoints of the app's own metrics, wherever the file has them. */
export function metricsOf({ metrics, experimental }: FlyFile): FlyFile['metrics'] {
  const { metrics_port: port, metrics_path: path } = experimental ?? {};
  if (metrics.length > 0 || port === undefined || path === undefined) return metrics;
  return [{ port, path, https: false, processes: [] }];
}

export type FlyService = z.output<typeof service>;
export type FlyPort = z.output<typeof ports>;
export type HttpCheck = z.output<typeof httpCheck>;

export const flyStandIns = { app: 'none' };

const otherTools =
  'build deploy env mount mounts vm compute computes statics files checks restart console_command primary_region ' +
  'kill_signal kill_timeout swap_size_mb host_dedication_id machine_checks machine_config container';
const others = new Set(otherTools.split(' '));

/** Keys of flyctl's in the tables above that are for whoever starts and stops the instances: they mean nothing here. */
export const machineKeys: ReadonlySet<string> = new Set([
  'auto_stop_machines',
  'auto_start_machines',
  'min_machines_running',
  'max_machines_running',
  'autoscaled',
  'force_instance_key',
  'force_instance_description',
  'machine_checks',
  'restart_limit',
]);

/** Other tools' sections pass in silence, but one that looks like a misspelt one of ours must not. */
export function warnOfOthers(toml: TomlFile): void {
  for (const key of Object.keys(toml.value)) {
    const near = Object.hasOwn(shape, key) || others.has(key) ? null : nearest(key, Object.keys(shape));
    if (near !== null) {
      toml.warnOfKey([key], `key "${key}" is ignored: did you mean "${near}"?`);
    }
  }
  const { statics } = toml.value;
  if (Array.isArray(statics) ? statics.length > 0 : statics !== undefined) {
    const message = "statics are not served here, where the image's files are not: their requests go to the instances";
    toml.warnOfKey(['statics'], message);
  }
}
