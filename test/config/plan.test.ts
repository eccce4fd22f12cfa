import { isAbsolute } from 'node:path';
import { expect, test } from 'vitest';
import { defaultLimits, limitNames, limits } from '../../src/config/limits.ts';
import type { Plan } from '../../src/config/plan.ts';
import { configuration, type Files, load } from './folder.ts';

async function planOf(files: Files): Promise<Plan> {
  const { plan, faults } = await load(files);
  expect(faults).toEqual([]);
  return plan!;
}

test('defaults of edge.toml', async () => {
  const plan = await planOf({ 'edge.toml': 'region = "iad"\nhost = "2bc3"' });
  expect(plan).toMatchObject({
    region: 'iad',
    host: '2bc3',
    listeners: [],
    apps: [],
    certificates: [],
    metrics: { host: '127.0.0.1', port: 9091, buckets: null },
    log: { access: false },
    slots: { readyTimeout: 20_000, maxDraining: 8, drainTimeout: 30_000, websocketDrainTimeout: 300_000 },
    trustedProxies: { cidrs: [], proxyProtocol: 'off', flyClientIp: false },
    limits: defaultLimits(),
    resolver: { servers: null, search: null, ndots: null, hosts: '/etc/hosts' },
    organizations: [],
    gateway: null,
    volumes: [],
  });
  expect(plan.slots.workers).toBeGreaterThan(0);
  expect(plan.slots.control).toMatch(/\/run\/edge\.sock$/);
  expect(structuredClone(plan)).toEqual(plan);
});

test('every key of edge.toml has its place', async () => {
  const plan = await planOf({
    'edge.toml': `region = "iad"
      host = "2bc3"
      address = "::1"
      ports = { 80 = 8080, 443 = 8443 }
      metrics = { listen = "[::1]:9000", buckets = [0.1, 1] }
      log.access = true
      [slots]
      workers = 3
      ready_timeout = "1m"
      max_draining = 4
      drain_timeout = "1m30s"
      websocket_drain_timeout = "0.5h"
      control = "/tmp/x.sock"
      [trusted_proxies]
      cidrs = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]
      proxy_protocol = "required"
      fly_client_ip = true
      [[organizations]]
      slug = "personal"
      id = 1
      [gateway]
      listen = "localhost:9001"
      storage = "http://127.0.0.1:8481/select/{tenant}/prometheus"
      keys = "/tmp/tokens.key"
      [[apps]]
      config = "apps/demo/fly.toml"
      org = "personal"
      hostnames = ["Demo.test", "*.demo.test", "*"]
      [[apps.instances]]
      id = "148e21ea7e5068"
      address = "app.internal:3001"
      process = "web"
      agent = "127.0.0.1:9100"
      exporters = ["127.0.0.1:9187", "[::1]:9188"]
      [[apps.instances]]
      id = "b"
      address = "[fd00::2]"
      process = "worker"
      [[volumes]]
      id = "vol_3x"
      app = "demo"
      lv = "vg0/lv1"`,
    'apps/demo/fly.toml': `app = "demo"
      [processes]
      web = "bin/web"
      worker = "bin/worker"
      [http_service]
      internal_port = 3000
      processes = ["web"]
      [[services]]
      internal_port = 5000
      [[services.ports]]
      port = 5000
      [[metrics]]
      port = 9000
      [[metrics]]
      port = 9001
      path = "/m"
      https = true
      processes = ["web"]`,
  });
  expect(plan).toMatchObject({
    metrics: { host: '::1', port: 9000, buckets: [0.1, 1] },
    log: { access: true },
    slots: {
      workers: 3,
      readyTimeout: 60_000,
      maxDraining: 4,
      drainTimeout: 90_000,
      websocketDrainTimeout: 1_800_000,
      control: '/tmp/x.sock',
    },
    trustedProxies: { cidrs: ['10.0.0.0/8', '192.0.2.1/32', 'fd00::/8'], proxyProtocol: 'required', flyClientIp: true },
    organizations: [{ slug: 'personal', id: 1 }],
    gateway: {
      host: '127.0.0.1',
      port: 9001,
      storage: 'http://127.0.0.1:8481/select/{tenant}/prometheus',
      keys: '/tmp/tokens.key',
      location: 'fly-edge',
      metrics: { host: '127.0.0.1', port: 9093 },
      limits: {
        concurrency: 32,
        engineConcurrency: null,
        queue: 256,
        queueTimeout: 10_000,
        timeout: 30_000,
        responseSize: 67_108_864,
        requestSize: 65_536,
      },
    },
    volumes: [{ id: 'vol_3x', app: 'demo', lv: 'vg0/lv1' }],
  });
  const [app] = plan.apps;
  expect(app).toMatchObject({
    name: 'demo',
    org: 'personal',
    hostnames: ['demo.test', '*.demo.test', '*'],
    instances: [
      {
        id: '148e21ea7e5068',
        host: 'app.internal',
        process: 'web',
        agent: '127.0.0.1:9100',
        exporters: ['127.0.0.1:9187', '[::1]:9188'],
      },
      { id: 'b', host: 'fd00::2', process: 'worker', agent: null, exporters: [] },
    ],
    metrics: [
      { port: 9000, path: '/metrics', https: false, processes: [] },
      { port: 9001, path: '/m', https: true, processes: ['web'] },
    ],
  });
  expect(app.services.map(({ upstreams }) => upstreams)).toEqual([
    [{ key: 'demo/0/148e21ea7e5068', instance: '148e21ea7e5068', host: 'app.internal', port: 3001 }],
    [
      { key: 'demo/1/148e21ea7e5068', instance: '148e21ea7e5068', host: 'app.internal', port: 3001 },
      { key: 'demo/1/b', instance: 'b', host: 'fd00::2', port: 5000 },
    ],
  ]);
  expect(plan.listeners.map(({ key, wire, ports }) => [key, wire, ports.map(({ publicPort }) => publicPort)])).toEqual([
    ['[::1]:8080', 'http', [80]],
    ['[::1]:8443', 'tls', [443]],
    ['[::1]:5000', 'raw', [5000]],
  ]);
});

test('each limit can be set', async () => {
  const row = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const durations = limitNames.filter((name) => limits[name].unit === 'duration');
  const values = limitNames.map((name, i) => [name, durations.includes(name) ? (i + 1) * 1000 : i + 2000] as const);
  const lines = values.map(([name, value]) =>
    durations.includes(name) ? `${row(name)} = "${value / 1000}s"` : `${row(name)} = ${value}`,
  );
  const plan = await planOf(configuration({ end: `[limits]\n${lines.join('\n')}` }));
  expect(plan.limits).toEqual(Object.fromEntries(values));
});

test('a service: concurrency, checks', async () => {
  const { apps } = await planOf(
    configuration({
      fly: `[[services]]
        internal_port = 5432
        concurrency = { type = "requests", hard_limit = 10 }
        [[services.tcp_checks]]
        [[services.http_checks]]
        interval = 10000
        timeout = "1.5s"
        grace_period = 0
        method = "head"
        path = "/up?a=b"
        protocol = "https"
        tls_skip_verify = true
        tls_server_name = "demo.test"
        headers = { X-Check = "yes" }
        [[services.ports]]
        port = 80
        handlers = ["http"]
        [[services]]
        concurrency.hard_limit = 30`,
    }),
  );
  expect(apps[0].services[0]).toEqual({
    internalPort: 5432,
    // A hard limit alone lowers the default of the soft one, 20.
    concurrency: { type: 'requests', soft: 10, hard: 10 },
    checks: [
      { type: 'tcp', interval: 15_000, timeout: 2_000, gracePeriod: 1_000 },
      {
        type: 'http',
        interval: 10_000,
        timeout: 1_500,
        gracePeriod: 0,
        method: 'HEAD',
        path: '/up?a=b',
        protocol: 'https',
        tlsSkipVerify: true,
        tlsServerName: 'demo.test',
        headers: [['X-Check', 'yes']],
      },
    ],
    upstreams: [{ key: 'demo/0/1a', instance: '1a', host: '127.0.0.1', port: 3000 }],
  });
  expect(apps[0].services[1]).toMatchObject({
    internalPort: 8080,
    concurrency: { type: 'connections', soft: 20, hard: 30 },
  });
});

test('handlers decide what comes first on the wire', async () => {
  const port = (number: number, more: string): string => `[[services.ports]]\nport = ${number}\n${more}\n`;
  const { listeners } = await planOf(
    configuration({
      fly: `[[services]]\n${[
        port(1, ''),
        port(2, 'handlers = ["proxy_proto"]'),
        port(3, 'handlers = ["http"]'),
        port(4, 'handlers = ["tls"]\ntls_options.alpn = ["h2"]'),
        port(5, 'handlers = ["tls", "proxy_proto"]\nproxy_proto_options.version = "v2"'),
        port(6, 'handlers = ["http", "tls"]\ntls_options.versions = ["TLSv1.3"]'),
        port(7, 'handlers = ["pg_tls"]'),
        '[[services.ports]]\nstart_port = 10\nend_port = 11\n',
      ].join('')}`,
    }),
  );
  expect(
    listeners.map(({ port, wire, ports: [{ http, proxyProto, tls }] }) => [
      port,
      wire,
      http,
      proxyProto,
      tls.alpn,
      tls.versions.length,
    ]),
  ).toEqual([
    [1, 'raw', false, 0, [], 2],
    [2, 'raw', false, 1, [], 2],
    [3, 'http', true, 0, ['http/1.1'], 2],
    [4, 'tls', false, 0, ['h2'], 2],
    [5, 'tls', false, 2, [], 2],
    [6, 'tls', true, 0, ['http/1.1'], 1],
    [7, 'pg_tls', false, 0, [], 2],
    [10, 'raw', false, 0, [], 2],
    [11, 'raw', false, 0, [], 2],
  ]);
});

test('http_options and force_https', async () => {
  const { listeners } = await planOf(
    configuration({
      fly: `[[services]]
        [[services.ports]]
        port = 80
        handlers = ["http"]
        force_https = true
        [services.ports.http_options]
        idle_timeout = 10
        headers_read_timeout = 3
        forwarded = true
        upgrades = ["WebSocket", "echo/1.0"]
        request_trailers = true
        least_rate = 0
        [services.ports.http_options.response]
        pristine = true
        headers = { X-Robots-Tag = "none", Server = false, Set-Cookie = ["a=1", "b=2"] }
        [[services.ports]]
        port = 8443
        handlers = ["tls", "http"]`,
    }),
  );
  expect(listeners[0].ports[0]).toMatchObject({
    forceHttps: true,
    httpsPort: 8443,
    httpOptions: {
      idleTimeout: 10_000,
      headersReadTimeout: 3_000,
      forwarded: true,
      upgrades: ['websocket', 'echo/1.0'],
      requestTrailers: true,
      leastRate: 0,
      pristine: true,
      responseHeaders: [
        { name: 'X-Robots-Tag', lower: 'x-robots-tag', values: ['none'] },
        { name: 'Server', lower: 'server', values: null },
        { name: 'Set-Cookie', lower: 'set-cookie', values: ['a=1', 'b=2'] },
      ],
    },
  });
  expect(listeners[1].ports[0]).toMatchObject({
    forceHttps: false,
    httpOptions: { idleTimeout: 60_000, leastRate: null, pristine: false },
  });
});

test('http and tls ports are shared by apps', async () => {
  const tls = '[[services]]\n[[services.ports]]\nport = 443\nhandlers = ["tls"]';
  const { listeners } = await planOf({
    ...configuration({ fly: '[http_service]', end: '[[apps]]\nconfig = "b.toml"\nhostnames = ["b.test"]' }),
    'b.toml': `app = "b"\n${tls}`,
  });
  expect(listeners.map(({ port, ports }) => [port, ports.map(({ app, http }) => [app, http])])).toEqual([
    [80, [[0, true]]],
    [
      443,
      [
        [0, true],
        [1, false],
      ],
    ],
  ]);
});

test('an instance needs no process when there is one group, or one named app', async () => {
  const one = await planOf(configuration({ fly: 'processes = { web = "" }\n[http_service]\nprocesses = ["web"]' }));
  expect(one.apps[0].services[0].upstreams).toHaveLength(1);
  const named = await planOf(
    configuration({
      fly: 'processes = { app = "", db = "" }\n[http_service]\nprocesses = ["app"]\n[[services]]\nprocesses = ["db"]',
    }),
  );
  expect(named.apps[0].services.map(({ upstreams }) => upstreams.length)).toEqual([1, 0]);
  const none = await planOf(configuration({ fly: '[http_service]\nprocesses = ["app"]' }));
  expect(none.apps[0].services[0].upstreams).toHaveLength(1);
});

test('paths are relative to edge.toml, and absolute in the plan', async () => {
  const { slots, gateway } = await planOf(configuration({ top: 'gateway.storage = "http://127.0.0.1:8428"' }));
  expect(isAbsolute(slots.control!) && isAbsolute(gateway!.keys)).toBe(true);
});

test('whom to ask for names', async () => {
  const top =
    'resolver = { servers = ["10.0.0.2", "127.0.0.1:5353", "::1", "[fd00::2]:53", "[fd00::3]"], search = ["Svc.Test.", "test"], ndots = 0, hosts = "hosts" }';
  expect((await load(configuration({ top }))).plan!.resolver).toEqual({
    servers: ['10.0.0.2', '127.0.0.1:5353', '::1', '[fd00::2]:53', 'fd00::3'],
    search: ['svc.test', 'test'],
    ndots: 0,
    hosts: expect.stringMatching(/^\/.*\/hosts$/),
  });
});
