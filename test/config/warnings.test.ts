import { expect, test } from 'vitest';
import { configuration, type Files, load, plainService, unmark } from './folder.ts';

/** `»` stands before what is warned of; `says` is part of the message. There is a plan all the same. */
type Case = [name: string, files: Files, ...says: string[]];

const service = (more: string): Files => configuration({ fly: `${plainService}${more}` });

const warnings: Case[] = [
  ['a misspelt section of fly.toml', service('[»servces]'), 'key "servces" is ignored: did you mean "services"?'],
  [
    'a misspelt key',
    service('»force_htps = true'),
    'force_htps" is not supported and ignored: did you mean "force_https"?',
  ],
  ['an unknown key of a check', service('[[services.tcp_checks]]\n»retries = 0'), 'retries'],
  [
    'edge_http',
    configuration({ fly: '[[services]]\n[[services.ports]]\nport = 80\nhandlers = [»"edge_http"]' }),
    'edge_http is obsolete, and read as http',
  ],
  ['compress', service('http_options.»compress = true'), 'compress comes later'],
  ['h2_backend', service('http_options.»h2_backend = true'), 'h2_backend comes later'],
  [
    'h2',
    configuration({
      fly: '[http_service]\ntls_options = { alpn = [»"h2", "http/1.1"], default_self_signed = true }',
    }),
    'h2 comes later: http/1.1 is offered',
  ],
  [
    'host names without certificate, of two apps, in one line',
    {
      ...configuration({
        app: 'hostnames = [»"a.test", "b.test", "*"]',
        end: '[[apps]]\nconfig = "b.toml"\nhostnames = ["c.test", "d.test", "e.test"]\n[[apps.instances]]\nid = "1b"\naddress = "127.0.0.1:3000"',
        fly: '[http_service]',
      }),
      'b.toml': 'app = "b"\n[http_service]',
    },
    'no certificate is for a.test, b.test, c.test and 2 more, handshakes there will fail',
  ],
  ['a service over udp', service('[[services]]\nprotocol = »"udp"'), 'udp is not served here'],
  ['force_https without https', service('force_https = »true'), 'no port of this app has the handlers tls and http'],
  [
    'force_https where nothing is to be redirected',
    configuration({
      fly: '[[services]]\n[[services.ports]]\nport = 443\nhandlers = ["tls", "http"]\nforce_https = »true\ntls_options.default_self_signed = true',
    }),
    'force_https has no effect',
  ],
  [
    'no time for a second attempt',
    configuration({ top: 'limits.connect_timeout = "4s"\nlimits.retry_time = »"4s"' }),
    'leaves no time to try another instance: write more than connect_timeout (4s)',
  ],
  ['a PROXY version without PROXY header', service('»proxy_proto_options.version = "v2"'), 'has no effect without'],
  [
    'requests of no http',
    configuration({ fly: '[[services]]\nconcurrency.type = »"requests"\n[[services.ports]]\nport = 5432' }),
    'connections are counted',
  ],
  ['an app without ports', markConfig(''), 'app "demo" has no ports'],
  ['an app without host names', markConfig(plainService, ''), 'app "demo" has no hostnames'],
  [
    'a service without instances',
    markConfig(
      `${plainService}[processes]\nweb = ""\nworker = ""`.replace('[[services.', 'processes = ["web"]\n[[services.'),
      undefined,
      'worker',
    ),
    'app "demo" has no instance for internal_port 8080',
  ],
  [
    'one port for two services',
    {
      ...configuration({ instances: '[[apps.instances]]\nid = "1"\naddress = »"a:8080"' }),
      'fly.toml': `app = "demo"\n${plainService}[[services]]\ninternal_port = 5432\n[[services.ports]]\nport = 5432`,
    },
    'port 8080 for all services of this instance (internal_port 8080, 5432)',
  ],
  [
    'a TLS host name without certificate',
    configuration({ app: 'hostnames = [»"demo.test"]', fly: '[http_service]' }),
    'no certificate is for demo.test',
  ],
  [
    'proxies of no address',
    configuration({ top: 'trusted_proxies.proxy_protocol = »"required"' }),
    'no proxy is trusted',
  ],
  ['no app', { 'edge.toml': '»region = "iad"\nhost = "2bc3"' }, 'no app: write an [[apps]] table'],
];

/** With the mark at the app's `config`, where warnings about the whole app stand. */
function markConfig(fly: string, app?: string, process?: string): Files {
  const files = configuration({
    fly,
    ...(app === undefined ? {} : { app }),
    ...(process === undefined ? {} : { end: `process = "${process}"` }),
  });
  return { ...files, 'edge.toml': files['edge.toml'].replace('config = ', 'config = »') };
}

test.each(warnings)('%s', async (_name, marked, ...says) => {
  const { files, marks } = unmark(marked);
  const { plan, faults, warnings } = await load(files);
  expect(faults).toEqual([]);
  expect(warnings.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual(marks);
  for (const [i, part] of says.entries()) expect(warnings[i].message).toContain(part);
  expect(plan).not.toBeNull();
});

test('sections and keys that other tools read pass in silence', async () => {
  const fly = `primary_region = "iad"
    kill_signal = "SIGINT"
    kill_timeout = 5
    swap_size_mb = 512
    processes = []
    ${plainService}
    [[services.machine_checks]]
    image = "curl"
    [build]
    dockerfile = "Dockerfile"
    [deploy]
    release_command = "migrate"
    [env]
    PORT = "8080"
    [[mounts]]
    source = "data"
    [checks.alive]
    type = "tcp"
    [[vm]]
    size = "shared-cpu-1x"
    [[services.http_checks]]
    restart_limit = 0
    [experimental]
    auto_rollback = true`;
  const { faults, warnings } = await load(configuration({ fly }));
  expect([...faults, ...warnings]).toEqual([]);
});
