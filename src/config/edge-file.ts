import { z } from 'zod';
import * as f from './fields.ts';
import { limitNames, limits, snakeCase } from './limits.ts';

/** The shape of edge.toml: one entry for each key, with what to write there. */

const limitField = ({ unit, least }: (typeof limits)[keyof typeof limits]) =>
  (unit === 'duration' ? f.duration : f.count(least)).optional();

const limitsTable = f.table(Object.fromEntries(limitNames.map((name) => [snakeCase(name), limitField(limits[name])])));

const path = f.matching(/^[^\0]+$/, 'a path, absolute or relative to edge.toml');

const slots = f.table({
  workers: f.integer(1, 256).optional(),
  ready_timeout: f.duration.default(20_000),
  max_draining: f.integer(1, 64).default(8),
  drain_timeout: f.duration.default(30_000),
  websocket_drain_timeout: f.duration.default(300_000),
  control: path.default('run/edge.sock'),
});

const ownNames = f.list(f.ownName, 'an array of host names, such as ["edge"]').default([]);

const storageUrl = f.parsed('the address of the storage tier, such as "http://127.0.0.1:8428"', (text) =>
  /^https?:\/\/[!"$->@-~]+$/.test(text) && URL.canParse(text.replace('{tenant}', '1')) ? text : undefined,
);

const instance = f.table({
  id: f.matching(/^[a-z0-9][a-z0-9-]{0,62}$/, '1 to 63 lowercase letters, digits or hyphens, such as "148e21ea7e5068"'),
  address: f.instanceAddress,
  process: f.text.optional(),
  agent: f.hostPort.optional(),
  exporters: f.list(f.hostPort, 'an array of "host:port"').default([]),
});

const app = f.table({
  config: f.matching(/^[^\0]+$/, "the path of the app's fly.toml, absolute or relative to edge.toml"),
  org: f.text.default('personal'),
  hostnames: f.list(f.hostname, 'an array of host names, such as ["demo.test", "*.demo.test"]').default([]),
  instances: f.list(instance, 'one [[apps.instances]] for each instance').default([]),
});

export const edgeFile = f.table({
  region: f.matching(/^[a-z][a-z0-9-]{0,31}$/, 'lowercase letters, digits or hyphens, such as "iad"'),
  host: f.matching(/^[0-9a-f]{4}$/, '4 lowercase hex digits in quotes, such as "2bc3"'),
  address: f.ipAddress.default('0.0.0.0'),
  ports: z
    .record(
      z.string().regex(/^([1-9]\d{0,4})$/, 'ports of fly.toml and local ports, such as { 80 = 8080 }'),
      f.port,
      'ports of fly.toml and local ports, such as { 80 = 8080 }',
    )
    .default({}),
  metrics: f
    .table({
      listen: f.listen('127.0.0.1:9091').default({ host: '127.0.0.1', port: 9091 }),
      hosts: ownNames,
      buckets: f.list(z.number('a number of seconds'), 'an array of rising numbers of seconds').optional(),
    })
    .prefault({}),
  log: f.table({ access: f.flag.default(false), file: path.optional() }).prefault({}),
  slots: slots.prefault({}),
  trusted_proxies: f
    .table({
      cidrs: f.list(f.cidr, 'an array of address ranges, such as ["10.0.0.0/8"]').default([]),
      proxy_protocol: f.oneOf(['off', 'optional', 'required']).default('off'),
      fly_client_ip: f.flag.default(false),
    })
    .prefault({}),
  limits: limitsTable.prefault({}),
  resolver: f
    .table({
      servers: f
        .list(f.dnsServer, 'an array of addresses, such as ["10.0.0.2", "127.0.0.1:5353"]')
        .min(1, 'at least one address, or leave it out')
        .optional(),
      search: f.list(f.domain, 'an array of domains, such as ["svc.cluster.local"]').optional(),
      ndots: f.integer(0, 15).optional(),
      hosts: path.default('/etc/hosts'),
    })
    .prefault({}),
  organizations: f
    .list(
      f.table({
        slug: f.matching(f.appName, f.appNameInstruction),
        id: f.integer(1, 2 ** 32 - 1),
        operator: f.flag.default(false),
      }),
      'one [[organizations]] for each organization',
    )
    .default([]),
  gateway: f
    .table({
      listen: f.listen('127.0.0.1:9092').default({ host: '127.0.0.1', port: 9092 }),
      hosts: ownNames,
      storage: storageUrl,
      keys: path.default('run/tokens.key'),
      location: f
        .matching(/^[\x21-\x7e]{1,255}$/, 'a name or URL without spaces, such as "https://metrics.example.com"')
        .default('fly-edge'),
      metrics: f.listen('127.0.0.1:9093').default({ host: '127.0.0.1', port: 9093 }),
      concurrency: f.count(1).default(32),
      engine_concurrency: f.count(1).optional(),
      queue: f.count(0).default(256),
      queue_timeout: f.duration.default(10_000),
      timeout: f.duration.default(30_000),
      response_size: f.count(1024).default(64 * 1024 * 1024),
      request_size: f.count(1024).default(64 * 1024),
    })
    .optional(),
  certificates: f
    .list(
      f.table({ cert: path, key: path, default: f.flag.default(false) }),
      'one [[certificates]] for each certificate',
    )
    .default([]),
  apps: f.list(app, 'one [[apps]] for each app').default([]),
  volumes: f
    .list(
      f.table({
        id: f.matching(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'lowercase letters, digits, _ or -, such as "vol_3x"'),
        app: f.text,
        lv: f.matching(/^[\w.+-]+\/[\w.+-]+$/, 'volume group and logical volume, such as "vg0/lv1"'),
      }),
      'one [[volumes]] for each volume',
    )
    .default([]),
});

export type EdgeFile = z.output<typeof edgeFile>;

/** For faulty keys at the top, so that the rest of the file is still checked; never part of a plan. */
export const edgeStandIns = { region: 'none', host: '0000' };
