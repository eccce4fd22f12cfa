/**
 * What flyctl takes in a fly.toml, by its source (internal/appconfig: patches, types, validation) and by public files:
 * written anew here, piece by piece, and put together to some hundred files. Each of them loads, with one line of warning
 * at most.
 */

import { expect, test } from 'vitest';
import { configuration, type Files, load, unmark } from './folder.ts';

type Pieces = Record<string, string>;

/** Before the first table. */
const heads: Pieces = {
  plain: '',
  '2020': 'kill_signal = "SIGINT"\nkill_timeout = 5\nprocesses = []',
  '2023': "primary_region = 'fra'\nkill_timeout = '5s'\nconsole_command = '/app/bin/rails console'\nswap_size_mb = 512",
  '2025': 'primary_region = "gru"\nhost_dedication_id = "1234"\nmachine_config = "cli-config.json"\ncontainer = "app"',
};

const ports = (https: string): string => `
  [[services.ports]]
    port = 80
    handlers = ["http"]
    force_https = true
  [[services.ports]]
    port = 443
    handlers = ["tls", "http"]
${https}`;
const bare = '[[services]]\n  protocol = "tcp"\n  internal_port = 3000\n';

const services: Pieces = {
  'http_service of `fly launch`': `[http_service]
  internal_port = 3000
  force_https = true
  auto_stop_machines = 'suspend'
  auto_start_machines = true
  min_machines_running = 0
  processes = ['app']`,
  'http_service in full': `[http_service]
  internal_port = 3000
  auto_stop_machines = false
  max_machines_running = 3
  [http_service.concurrency]
    type = "requests"
    soft_limit = 200
    hard_limit = 250
  [http_service.tls_options]
    alpn = ["h2", "http/1.1"]
    versions = ["TLSv1.2", "TLSv1.3"]
    default_self_signed = false
  [http_service.http_options]
    compress = true
    h2_backend = true
    idle_timeout = 600
    [http_service.http_options.response]
      pristine = true
      [http_service.http_options.response.headers]
        X-Frame-Options = "DENY"
        X-Powered-By = false
        X-Max = 31536000
        Link = ["</a.css>; rel=preload", "</b.js>; rel=preload"]
        X-Numbers = [1, "2"]
  [http_service.proxy_proto_options]
    version = "v2"
  [[http_service.checks]]
    interval = "30s"
    timeout = "5s"
    grace_period = "10s"
    method = "get"
    path = "/health"
    protocol = "http"
    tls_skip_verify = false
    [http_service.checks.headers]
      X-Forwarded-Proto = "https"
  [[http_service.tcp_checks]]
    interval = "10s"
  [[http_service.machine_checks]]
    image = "curlimages/curl"
    command = ["curl", "-f", "http://[$FLY_TEST_MACHINE_IP]:3000"]`,
  'http_service with one check': '[http_service]\n  internal_port = 3000\n  [http_service.checks]\n    path = "/up"',
  'services of 2020': `[[services]]
  http_checks = []
  internal_port = "3000"
  protocol = "tcp"
  script_checks = []
  concurrency = "12,23"
  [[services.ports]]
    handlers = ["http"]
    port = "80"
  [[services.ports]]
    handlers = ["tls", "http"]
    port = "443"
  [[services.tcp_checks]]
    grace_period = ""
    interval = 10000
    port = "8080"
    restart_limit = 6
    timeout = 2000`,
  'services of 2022': `[[services]]
  http_checks = []
  internal_port = 3000
  processes = ["app"]
  protocol = "tcp"
  script_checks = []
  [services.concurrency]
    hard_limit = 25
    soft_limit = 20
    type = "connections"
${ports('')}
  [[services.tcp_checks]]
    grace_period = "1s"
    interval = "15s"
    restart_limit = 0
    timeout = "2s"`,
  'services of 2024': `${bare}
  auto_stop_machines = "stop"
  auto_start_machines = true
  min_machines_running = 1
${ports('    tls_options = { "alpn" = ["h2"], "versions" = ["TLSv1.3"] }')}
  [[services.http_checks]]
    interval = "10s"
    method = "GET"
    path = "/"
    protocol = "https"
    tls_skip_verify = true
    tls_server_name = "example.com"
    [services.http_checks.headers]
      Host = "example.com"
  [[services.machine_checks]]
    entrypoint = ["/bin/sh"]`,
  'one service in single brackets':
    '[services]\n  internal_port = 3000\n  [services.ports]\n    port = 8080\n    handlers = ["http"]',
  'checks in single brackets': `${bare}${ports('')}\n  [services.tcp_checks]\n    interval = 15000\n  [services.http_checks]\n    path = "/"`,
  'headers as a list': `${bare}${ports('')}
  [[services.http_checks]]
    [[services.http_checks.headers]]
      name = "X-Forwarded-Proto"
      value = "https"
    [[services.http_checks.headers]]
      name = "X-Empty"`,
  'headers of every type': `${bare}${ports('')}
  [[services.http_checks]]
    [services.http_checks.headers]
      X-Number = 1
      X-Ratio = 0.5
      X-Truth = true`,
  'headers of nothing': `${bare}${ports('')}\n  [[services.http_checks]]\n    headers = []`,
  'names as tables in a list': `${bare}${ports('')}\n  [[services.http_checks]]\n    [[services.http_checks.headers]]\n      X-A = "b"`,
  'times as Go writes them': `${bare}${ports('')}
  [[services.http_checks]]
    interval = "1m21.5s"
    timeout = ".5s"
    grace_period = "0"
  [[services.tcp_checks]]
    interval = "0s"
    timeout = "500000µs"
    grace_period = 0`,
  'empty strings': `[[services]]
  protocol = ""
  internal_port = 3000
  [services.concurrency]
    type = ""
${ports('')}
  [[services.http_checks]]
    method = ""
    path = ""
    protocol = ""
    tls_server_name = ""
    interval = ""
    timeout = ""`,
  'limits of 0': `${bare}  concurrency = { type = "requests", soft_limit = 0, hard_limit = 0 }\n${ports('')}`,
  'a soft limit alone': `${bare}  concurrency = { soft_limit = 50.0 }\n${ports('')}`,
  'raw TCP': '[[services]]\n  internal_port = 6379\n  [[services.ports]]\n    port = 6379\n    handlers = []',
  'a range of ports':
    '[[services]]\n  internal_port = 9000\n  [[services.ports]]\n    start_port = 9000\n    end_port = "9010"',
  'PROXY headers': `${bare}  [[services.ports]]\n    port = 8443\n    handlers = ["proxy_proto"]\n    proxy_proto_options = { version = "v2" }`,
  PostgreSQL: `${bare}  [[services.ports]]\n    port = 5432\n    handlers = ["pg_tls"]`,
  edge_http: `${bare}  [[services.ports]]\n    port = 80\n    handlers = ["edge_http"]\n  [[services.ports]]\n    port = 81\n    handlers = ["edge_http"]`,
  'http_service and another port': `[http_service]\n  internal_port = 3000\n[[services]]\n  protocol = "tcp"\n  internal_port = 9090\n  [[services.ports]]\n    port = 9090\n    handlers = ["tls"]`,
  'http_service and limits of no service':
    '[http_service]\n  internal_port = 3000\n[services.concurrency]\n  hard_limit = 500\n  soft_limit = 500',
  'http_service and services of another port, all on 80 and 443': `[http_service]\n  internal_port = 8080\n${bare}${ports('')}`,
  'UDP beside TCP': `${bare}${ports('')}[[services]]\n  protocol = "udp"\n  internal_port = 5000\n  [[services.ports]]\n    port = 5000\n[[services]]\n  protocol = "udp"\n  internal_port = 5001\n  [[services.ports]]\n    port = 5001`,
  'UDP alone':
    '[[services]]\n  protocol = "udp"\n  internal_port = 53\n  [[services.ports]]\n    port = 53\n  [[services.tcp_checks]]\n    port = 8080',
  'values in quotes': `[http_service]
  internal_port = "3000"
  force_https = "true"
  [http_service.concurrency]
    type = "requests"
    soft_limit = "200"
    hard_limit = "250"
  [[http_service.checks]]
    tls_skip_verify = "false"`,
  'times of 0': `[http_service]
  internal_port = 3000
  http_options = { idle_timeout = 0, headers_read_timeout = 0 }
  checks = [{ interval = "0s", timeout = 0, grace_period = 0 }]`,
  'misplaced keys': `${bare}  http_options = { h2_backend = true }\n  autoscaled = true\n${ports('    hsts = true\n    tls_options.default_version = "TLSv1.2"')}`,
  'an empty service': `[[services]]\n${bare}${ports('')}`,
};

/** After the services. */
const tails: Pieces = {
  nothing: '',
  'sections of other tools': `[build]
  builder = "paketobuildpacks/builder:base"
  buildpacks = ["gcr.io/paketo-buildpacks/nodejs"]
  [build.args]
    NODE_VERSION = "20"
[deploy]
  release_command = "bin/rails db:prepare"
  strategy = "bluegreen"
  max_unavailable = 0.33
[env]
  PORT = 3000
[[mounts]]
  source = "data"
  destination = "/data"
  processes = ["app"]
[[vm]]
  size = "shared-cpu-1x"
  memory_mb = 512
[[files]]
  guest_path = "/a"
  raw_value = "aGVsbG8="
[[restart]]
  policy = "on-failure"
  retries = 10
[checks]
  [checks.alive]
    type = "tcp"
    port = 3000
    interval = "15s"
[[metrics]]
  port = 9091
  path = "/metrics"
  processes = ["app"]`,
  'sections in their old forms': `[mount]
  source = "data"
  destination = "/data"
[compute]
  memory = 512
[restart]
  policy = "always"
[metric]
  port = "9091"
  path = "metrics"
[[env]]
  A = "1"
[experimental]
  allowed_public_ports = []
  auto_rollback = true
  cmd = "node main.js"
  enable_consul = true`,
  'metrics of 2021, processes as a list': `[experimental]
  kill_timeout = 3
  metrics_port = 9091
  metrics_path = "/metrics"
[[processes]]`,
  'statics, processes of names': `[[statics]]
  guest_path = "/app/public"
  url_prefix = "/"
[[processes]]
  name = "app"
  command = "bin/run"
[[processes]]
  memory_mb = 256`,
};

const all = Object.entries(services).flatMap(([service, text], i) =>
  Object.entries(tails).map(([tail, more], j): [string, string] => {
    const [head, first] = Object.entries(heads)[(i + j) % 4];
    // Only one of them may say what processes there are.
    const top = more.includes('[[processes]]') ? first.replace('processes = []', '') : first;
    return [`${service}; ${tail}; ${head}`, `${top}\n${text}\n${more}\n`];
  }),
);

const instances = '[[apps.instances]]\nid = "1a"\naddress = "127.0.0.1"';

test.for(all)('%s', async ([, fly]) => {
  const { plan, faults, warnings } = await load(configuration({ app: 'hostnames = ["*"]', instances, fly }));
  expect(faults).toEqual([]);
  expect(warnings.length, JSON.stringify(warnings)).toBeLessThanOrEqual(1);
  expect(plan!.apps[0].metrics).toEqual(fly.includes('9091') ? [expect.objectContaining({ port: 9091 })] : []);
});

test('metrics in both spellings are all meant, and none is said to be ignored', async () => {
  const { app, warnings } = await appOf('[[metric]]\nport = 1\n[metrics]\nport = 2\n[http_service]');
  expect(app.metrics.map(({ port }) => port)).toEqual([1, 2]);
  expect(warnings).toEqual([]);
});

test('quotes around numbers and truths change nothing; a time of 0 is the default', async () => {
  const { plan, app } = await appOf(services['values in quotes']);
  expect(app.services[0].concurrency).toEqual({ type: 'requests', soft: 200, hard: 250 });
  expect(plan.listeners[0].ports[0].forceHttps).toBe(true);
  const zero = await appOf(services['times of 0']);
  expect(zero.plan.listeners[0].ports[0].httpOptions).toMatchObject({
    idleTimeout: 60_000,
    headersReadTimeout: 15_000,
  });
  expect(zero.app.services[0].checks).toMatchObject([{ interval: 1000, timeout: 2000, gracePeriod: 0 }]);
});

test('blanks around the value of a header are none of it', async () => {
  const { plan } = await appOf('[http_service]\nhttp_options.response.headers = { A = " a b\\t", B = [" c"] }');
  expect(plan.listeners[0].ports[0].httpOptions.responseHeaders.map(({ values }) => values)).toEqual([['a b'], ['c']]);
});

async function appOf(fly: string) {
  const { plan, faults, warnings } = await load(configuration({ app: 'hostnames = ["*"]', instances, fly }));
  expect(faults).toEqual([]);
  return { plan: plan!, app: plan!.apps[0], warnings: warnings.map(({ message }) => message) };
}

test('limits in one string are soft and hard, of requests', async () => {
  const { app } = await appOf(services['services of 2020']);
  expect(app.services[0].concurrency).toEqual({ type: 'requests', soft: 12, hard: 23 });
  expect(app.services[0].checks).toEqual([{ type: 'tcp', interval: 10_000, timeout: 2000, gracePeriod: 1000 }]);
});

test('a limit of 0 is none', async () => {
  const { app } = await appOf(services['limits of 0']);
  expect(app.services[0].concurrency).toEqual({ type: 'requests', soft: 20, hard: null });
});

test("a check's headers, in every form", async () => {
  const headersOf = async (name: string) => {
    const [check] = (await appOf(services[name])).app.services[0].checks;
    return check.type === 'http' ? check.headers : null;
  };
  expect(await headersOf('headers as a list')).toEqual([
    ['X-Forwarded-Proto', 'https'],
    ['X-Empty', ''],
  ]);
  expect(await headersOf('headers of every type')).toEqual([
    ['X-Number', '1'],
    ['X-Ratio', '0.5'],
    ['X-Truth', 'true'],
  ]);
  expect(await headersOf('headers of nothing')).toEqual([]);
  expect(await headersOf('names as tables in a list')).toEqual([['X-A', 'b']]);
});

test('response headers that are numbers', async () => {
  const { plan } = await appOf(services['http_service in full']);
  const { responseHeaders } = plan.listeners[0].ports[0].httpOptions;
  expect(responseHeaders.map(({ name, values }) => [name, values])).toEqual([
    ['X-Frame-Options', ['DENY']],
    ['X-Powered-By', null],
    ['X-Max', ['31536000']],
    ['Link', ['</a.css>; rel=preload', '</b.js>; rel=preload']],
    ['X-Numbers', ['1', '2']],
  ]);
});

test("a check's times, as Go reads them", async () => {
  const { app } = await appOf(services['times as Go writes them']);
  expect(app.services[0].checks.map(({ interval, timeout, gracePeriod }) => [interval, timeout, gracePeriod])).toEqual([
    [1000, 500, 0],
    [81_500, 500, 0],
  ]);
});

test('process groups in a list', async () => {
  const fly = `[[processes]]\nname = "web"\ncommand = "./web"\n[[processes]]\nname = "worker"\n[[services]]\nprocesses = ["web"]`;
  const { plan, faults } = await load(configuration({ fly, end: 'process = "worker"' }));
  expect(faults).toEqual([]);
  expect(plan!.apps[0].services[0].upstreams).toEqual([]);
});

test('[metrics] is there: what stood in its place before is passed over', async () => {
  const { app } = await appOf('[metrics]\nport = 1\n[experimental]\nmetrics_port = 2');
  expect(app.metrics).toEqual([{ port: 1, path: '/metrics', https: false, processes: [] }]);
});

test('statics go to the instance, and are warned of once; an empty list is none', async () => {
  const { warnings } = await appOf(`${services['raw TCP']}\n${tails['statics, processes of names']}`);
  expect(warnings).toEqual([expect.stringContaining('statics are not served here')]);
  expect((await appOf(`statics = []\n${services['raw TCP']}`)).warnings).toEqual([]);
});

test('script checks that are not run are warned of, with what to write', async () => {
  const fly = `${bare}${ports('')}\n  [[services.script_checks]]\n    command = "/bin/true"`;
  expect((await appOf(fly)).warnings).toEqual(['script_checks are not run here: write tcp_checks or http checks']);
});

test('all that a file says to others is one line, at its first place, with the lines of the rest', async () => {
  const { files, marks } = unmark(
    configuration({
      app: 'hostnames = ["*"]',
      fly: `${bare}  »retries = 1\n${ports('    http_options.compress = true\n')}    retries = 1\n`,
    }),
  );
  const { faults, warnings } = await load(files);
  expect(faults).toEqual([]);
  expect(warnings.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual(marks);
  expect(warnings[0].message).toBe(
    'key "retries" is not supported and ignored (also line 15); line 14: compress comes later: it has no effect yet',
  );
});

const twice = (second: string): Files =>
  configuration({
    app: 'hostnames = ["*"]',
    instances,
    fly: `[http_service]\ninternal_port = 3000\n[[services]]\n${second}\n[[services.ports]]\nport = »80\nhandlers = ["http"]`,
  });

test('http_service and a service of the same instances on one port: written twice, as flyctl has it', async () => {
  const { files, marks } = unmark(twice('protocol = "tcp"\ninternal_port = 3000'));
  const { faults } = await load(files);
  expect(faults.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual(marks);
  expect(faults[0].message).toBe('port 80 is listed twice by app "demo", first at fly.toml:2: write it once');
});

test.for([
  ['another internal port', 'protocol = "tcp"\ninternal_port = 4000'],
  ['no protocol', 'internal_port = 3000'],
  ['other process groups', 'protocol = "tcp"\ninternal_port = 3000\nprocesses = ["web"]'],
])('http_service and a service of %s on one port: the first one has it', async ([, second]) => {
  const { files } = unmark(twice(second));
  files['fly.toml'] += '\n[processes]\napp = ""\nweb = ""\n';
  files['edge.toml'] += '\n[[apps.instances]]\nid = "1b"\naddress = "127.0.0.1"\nprocess = "web"\n';
  const { plan, faults, warnings } = await load(files);
  expect(faults).toEqual([]);
  expect(warnings.map(({ message }) => message)).toEqual([
    'port 80 is already served by the service of line 2: it is left out here',
  ]);
  expect(plan!.listeners.map(({ port, ports }) => [port, ports.map(({ service }) => service)])).toEqual([
    [80, [0]],
    [443, [0]],
  ]);
});
