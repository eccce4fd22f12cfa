import { describe, expect, test } from 'vitest';
import { formatFault } from '../../src/config/fault.ts';
import { configuration, type Files, load, unmark } from './folder.ts';

/** `»` stands before what is wrong; `says` is part of the message. Every mark is one fault, and no others are found. */
type Case = [name: string, files: Files, ...says: string[]];

const service = (more: string): Files => configuration({ fly: `[[services]]\n${more}` });
const port = (more: string): Files => service(`[[services.ports]]\nport = 8080\n${more}`);

const edgeFaults: Case[] = [
  ['a missing region', { 'edge.toml': '»host = "2bc3"' }, 'region is missing: write lowercase letters'],
  ['a region of the wrong form', { 'edge.toml': 'region = »"I A D"\nhost = "2bc3"' }, 'region is "I A D"'],
  [
    'a host of the wrong form',
    { 'edge.toml': 'region = "iad"\nhost = »"2BC3"' },
    'host is "2BC3": write 4 lowercase hex',
  ],
  ['a host that is a number', { 'edge.toml': 'region = "iad"\nhost = »1234' }, 'host is 1234: write 4 lowercase hex'],
  ['a misspelt key', configuration({ top: '»adress = "::1"' }), 'unknown key "adress": did you mean "address"?'],
  ['a key like no other', configuration({ top: '»qqqqqqq = 1' }), 'unknown key "qqqqqqq": write one of region, host'],
  ["a key of Object's prototype", configuration({ top: '»constructor = 1' }), 'unknown key "constructor"'],
  ['a misspelt key of a table', configuration({ top: 'slots = { »worker = 2 }' }), 'did you mean "workers"?'],
  ['a misspelt limit', configuration({ top: 'limits.»conect_timeout = "1s"' }), 'did you mean "connect_timeout"?'],
  [
    'an address that is a name',
    { 'edge.toml': 'region = "a"\nhost = "2bc3"\naddress = »"localhost"' },
    'write an IP address',
  ],
  ['a port name', configuration({ top: 'ports = { »http = 80 }' }), '"http" is no key here'],
  ['a local port out of range', configuration({ top: 'ports = { 80 = »70000 }' }), '80 is 70000: write a port from 1'],
  ['a string for a table', configuration({ top: 'metrics = »"on"' }), 'metrics is "on": write a table with the keys'],
  ['an address without port', configuration({ top: 'metrics.listen = »"127.0.0.1"' }), 'an IP address and a port'],
  ['falling buckets', configuration({ top: 'metrics.buckets = »[1, 0.5]' }), 'rising order'],
  ['a bucket that is no number', configuration({ top: 'metrics.buckets = [1, »"2"]' }), 'buckets[1] is "2"'],
  ['a string for a boolean', configuration({ top: 'log.access = »"no"' }), 'access is "no": write true or false'],
  [
    'a duration without unit',
    configuration({ top: 'slots.drain_timeout = »"30"' }),
    'drain_timeout is "30": write a duration',
  ],
  [
    'a duration that is a number',
    configuration({ top: 'slots.drain_timeout = »30' }),
    'drain_timeout is 30: write a dur',
  ],
  ['a duration of nothing', configuration({ top: 'limits.connect_timeout = »"0s"' }), 'write a duration'],
  ['a duration beyond a timer', configuration({ top: 'limits.tcp_idle_timeout = »"1000h"' }), 'write a duration'],
  [
    'a limit below its least',
    configuration({ top: 'limits.head_size = »10' }),
    'head_size is 10: write an integer from 1024',
  ],
  [
    'a name server by name',
    configuration({ top: 'resolver.servers = ["::1", »"ns.test"]' }),
    'servers[1] is "ns.test"',
  ],
  ['no name server', configuration({ top: 'resolver.servers = »[]' }), 'write at least one address, or leave it out'],
  ['a domain with a slash', configuration({ top: 'resolver.search = [»"a/b"]' }), 'search[0] is "a/b": write a domain'],
  ['too many dots', configuration({ top: 'resolver.ndots = »16' }), 'ndots is 16: write an integer from 0 to 15'],
  ['a fraction for an integer', configuration({ top: 'slots.workers = »1.5' }), 'workers is 1.5: write an integer'],
  ['a date', configuration({ top: 'slots.control = »2020-01-01' }), 'control is a date: write a path'],
  ['a socket path that is too long', configuration({ top: `slots.control = »"${'x'.repeat(110)}"` }), 'at most 103'],
  [
    'a range of addresses',
    configuration({ top: 'trusted_proxies.cidrs = ["::/0", »"10.0.0.0/33"]' }),
    'cidrs[1] is "10.',
  ],
  ['proxy_protocol', configuration({ top: 'trusted_proxies.proxy_protocol = »"on"' }), 'one of "off", "optional"'],
  ['an organization without id', configuration({ end: '»[[organizations]]\nslug = "personal"' }), 'id is missing'],
  [
    'an organization that is listed twice',
    configuration({
      end: '[[organizations]]\nslug = "personal"\nid = 1\n[[organizations]]\nslug = »"personal"\nid = »1',
    }),
    'organization slug "personal" is claimed twice, first at line 12',
    'organization id 1 is claimed twice, first at line 13',
  ],
  [
    'an unknown organization',
    configuration({
      app: 'org = »"persnal"',
      end: '[[organizations]]\nslug = "personal"\nid = 1',
    }),
    'organization "persnal" is unknown: did you mean "personal"?',
  ],
  ['a gateway without storage', configuration({ end: '»[gateway]' }), 'storage is missing: write the address'],
  [
    'a storage that is no URL',
    configuration({ top: 'gateway.storage = »"localhost:8428"' }),
    'the address of the storage',
  ],
  ['an app without fly.toml', configuration({ end: '»[[apps]]\nhostnames = ["b.test"]' }), 'config is missing'],
  ["a fly.toml that isn't there", configuration({ end: '[[apps]]\nconfig = »"b/fly.toml"' }), 'no such file'],
  [
    'an app that is listed twice',
    configuration({ end: '[[apps]]\nconfig = »"fly.toml"' }),
    'app "demo" is listed twice, first at line 6',
  ],
  [
    'a host name with a port',
    configuration({ app: 'hostnames = [»"demo.test:80"]' }),
    'hostnames[0] is "demo.test:80"',
  ],
  ['a wildcard in the middle', configuration({ app: 'hostnames = [»"a.*.test"]' }), 'write a host name such as'],
  [
    'a host name that two apps claim',
    {
      ...configuration({ end: '[[apps]]\nconfig = "b.toml"\nhostnames = ["b.test", »"DEMO.test"]' }),
      'b.toml': 'app = "b"',
    },
    'host name "demo.test" is claimed twice, first at line 7',
  ],
  [
    'a host name twice, in two spellings',
    configuration({ app: 'hostnames = ["::1", »"[0:0::1]"]' }),
    'host name "[::1]" is claimed twice, first at line 7',
  ],
  [
    'a host name twice, once with its final dot',
    configuration({ app: 'hostnames = ["demo.test", »"DEMO.test."]' }),
    'host name "demo.test" is claimed twice, first at line 7',
  ],
  [
    'an instance id of the wrong form',
    configuration({ instances: '[[apps.instances]]\nid = »"A_1"\naddress = "a"' }),
    'id is "A_1"',
  ],
  ['an instance without id', configuration({ instances: '»[[apps.instances]]\naddress = "a"' }), 'id is missing'],
  [
    'an address with a bad port',
    configuration({ instances: '[[apps.instances]]\nid = "1"\naddress = »"a:70000"' }),
    'write "host" or',
  ],
  [
    'an IPv6 address without brackets',
    configuration({ instances: '[[apps.instances]]\nid = "1"\naddress = »"::1"' }),
    'in brackets',
  ],
  [
    'an IPv4 address with too few parts',
    configuration({ instances: '[[apps.instances]]\nid = "1"\naddress = »"10.1"' }),
    'address is "10.1"',
  ],
  [
    'an instance that is listed twice',
    configuration({ end: '[[apps.instances]]\nid = »"1a"\naddress = "127.0.0.1:3001"' }),
    'instance "1a" is listed twice, first at line 9',
  ],
  [
    'an unknown process group',
    {
      ...configuration({ instances: '[[apps.instances]]\nid = "1"\naddress = "a"\nprocess = »"wbe"' }),
      'fly.toml': 'app = "demo"\n[processes]\nweb = ""\nworker = ""\n[http_service]',
    },
    'process group "wbe" is not in the app\'s fly.toml: did you mean "web"?',
  ],
  [
    'no process group among several',
    {
      ...configuration({ instances: '»[[apps.instances]]\nid = "1"\naddress = "a"' }),
      'fly.toml': 'app = "demo"\n[processes]\nweb = ""\nworker = ""\n[http_service]',
    },
    'process is missing: fly.toml has several process groups, write one of web, worker',
  ],
  ['exporters without ports', configuration({ end: 'exporters = [»"127.0.0.1"]' }), 'write "host:port"'],
  ['an agent without port', configuration({ end: 'agent = »"127.0.0.1"' }), 'agent is "127.0.0.1": write "host:port"'],
  [
    'a volume of an unknown app',
    configuration({ end: '[[volumes]]\nid = "vol_3x"\napp = »"demmo"\nlv = "vg0/lv1"' }),
    'app "demmo" is unknown: did you mean "demo"?',
  ],
  [
    'a volume without group',
    configuration({ end: '[[volumes]]\nid = "v"\napp = "demo"\nlv = »"lv1"' }),
    'volume group',
  ],
  [
    'series scraped where an app listens',
    configuration({ top: 'metrics.listen = »"127.0.0.1:8080"' }),
    '127.0.0.1:8080 is also where an app listens (fly.toml:4)',
  ],
  [
    'a gateway where the series are scraped',
    configuration({ top: 'gateway = { storage = "http://s", listen = »"0.0.0.0:9091" }' }),
    '0.0.0.0:9091 is also metrics.listen',
  ],
];

const flyFaults: Case[] = [
  ['a fly.toml without app', { ...configuration({}), 'fly.toml': '»[http_service]' }, 'app is missing'],
  ['an app name of the wrong form', { ...configuration({}), 'fly.toml': 'app = »"My App"' }, 'app is "My App"'],
  ['a service that is no table', configuration({ fly: 'http_service = »8080' }), 'http_service is 8080: write a table'],
  ['a port that is a name', service('internal_port = »"http"'), 'internal_port is "http": write a port'],
  ['a port with a blank', service('internal_port = »" 8080"'), 'internal_port is " 8080": write a port'],
  ['limits in one string with a blank', service('concurrency = »"12, 23"'), 'write a table with the keys type'],
  [
    'limits in one string, the wrong way round',
    service('concurrency = »"23,12"'),
    'hard_limit 12 is below soft_limit 23',
  ],
  [
    "a header's value in a list of headers",
    service('[[services.http_checks]]\nheaders = [{ name = "X-A", value = "b" }, { name = "X-B", value = »"a\\nb" }]'),
    'X-B is "a\\nb": write a header value of printable ASCII',
  ],
  [
    "a header's name in a list of headers",
    service('[[services.http_checks]]\nheaders = [{ name = "X-A", value = "b" }, { name = "X B", »value = "c" }]'),
    '"X B" is no key here',
  ],
  [
    'a check in single brackets',
    configuration({ fly: '[http_service]\n[http_service.checks]\ninterval = »"15"' }),
    'interval is "15": write a duration such as "15s"',
  ],
  [
    'metrics of old files',
    configuration({ fly: '[experimental]\nmetrics_port = »"9x"' }),
    'metrics_port is "9x": write a port',
  ],
  ['a protocol', service('protocol = »"sctp"'), 'one of "tcp", "udp"'],
  ['a concurrency type', service('concurrency.type = »"request"'), 'one of "connections", "requests"'],
  [
    'a hard limit below the soft one',
    service('concurrency = { soft_limit = 30, hard_limit = »20 }'),
    'hard_limit 20 is below soft_limit 30',
  ],
  [
    'an undefined process group',
    configuration({ fly: 'processes = { web = "" }\n[http_service]\nprocesses = ["web", »"db"]' }),
    'process group "db" is not in [processes]',
  ],
  ['a port without number', service('»[[services.ports]]\nhandlers = ["tls"]'), 'a port without its number'],
  ['half a range', service('»[[services.ports]]\nstart_port = 1000'), 'write port, or start_port and end_port'],
  ['a port beside a range', service('[[services.ports]]\nport = »80\nend_port = 90'), 'only one'],
  [
    'a falling range',
    service('[[services.ports]]\nstart_port = 20\nend_port = »10'),
    'end_port 10 is below start_port 20',
  ],
  [
    'a very wide range',
    service('[[services.ports]]\nstart_port = 2\nend_port = »9000'),
    'a range of 8999 ports: write at',
  ],
  ['an unknown handler', port('handlers = ["http", »"tsl"]'), 'handlers[1] is "tsl": write one of "http", "tls"'],
  ['pg_tls and tls', port('handlers = ["tls", »"pg_tls"]'), 'pg_tls and tls exclude each other'],
  ['pg_tls and http', port('handlers = [»"pg_tls", "http"]'), 'pg_tls and http exclude each other'],
  ['proxy_proto and http', port('handlers = ["http", »"proxy_proto"]'), 'proxy_proto and http exclude each other'],
  [
    'an old TLS version',
    port('tls_options.versions = ["TLSv1.2", »"TLSv1.1"]'),
    'versions[1] is "TLSv1.1": write one of',
  ],
  ['no TLS version', port('tls_options.versions = »[]'), 'nothing older is served'],
  ...['h2c', 'H2C', 'h2c/1', 'h2', 'HTTP/2.0', 'tls/1.0', 'a b', '', 'a/b/c'].map((name): [string, Files, string] => [
    `Upgrade to ${JSON.stringify(name)}`,
    port(`http_options.upgrades = ["websocket", »"${name}"]`),
    'none that carries HTTP past the edge',
  ]),
  ['seconds with a unit', port('http_options.idle_timeout = »"60s"'), 'idle_timeout is "60s": write whole seconds'],
  [
    'a response header that frames',
    port('http_options.response.headers.»Content-Length = "0"'),
    'the connection, which is',
  ],
  ['a response header name', port('http_options.response.headers.»"X Y" = "0"'), '"X Y" is no key here'],
  ['a response header with a line feed', port('http_options.response.headers.A = »"a\\r\\nB: c"'), 'printable ASCII'],
  ['a response header that is true', port('http_options.response.headers.Server = »true'), 'or false to remove'],
  ['a PROXY version', port('handlers = ["proxy_proto"]\nproxy_proto_options.version = »"v3"'), 'one of "v1", "v2"'],
  [
    'a check without unit',
    service('tcp_checks = [{ interval = »"15" }]'),
    'interval is "15": write a duration such as "15s"',
  ],
  ['a negative time of a check', service('tcp_checks = [{ timeout = »-1 }]'), 'timeout is -1: write a duration'],
  ['a check of no path', service('http_checks = [{ path = »"health" }]'), 'a path that begins with "/"'],
  ['a check with a header', service('http_checks = [{ headers = { »"A:" = "b" } }]'), '"A:" is no key here'],
  [
    'a parameter of metrics that no label can tell',
    configuration({ fly: '[metrics]\nport = 1\npath = »"/metrics?collect[]=a"' }),
    'each parameter once',
  ],
  ['metrics without port', configuration({ fly: '»[metrics]\npath = "/metrics"' }), 'port is missing'],
  ['processes that are a list', configuration({ fly: 'processes = »["web"]' }), 'a table of process groups'],
];

const conflicts: Case[] = [
  [
    'a raw TCP port that two apps claim',
    {
      ...configuration({ end: '[[apps]]\nconfig = "b.toml"', fly: '[[services]]\n[[services.ports]]\nport = 5432' }),
      'b.toml': 'app = "b"\n[[services]]\n[[services.ports]]\nport = »5432',
    },
    'port 5432 is for raw TCP and already app "demo"\'s (fly.toml:4)',
  ],
  [
    'a raw TCP port in a range of another app',
    {
      ...configuration({ end: '[[apps]]\nconfig = "b.toml"', fly: '[[services]]\n[[services.ports]]\nport = 5432' }),
      'b.toml': 'app = "b"\n[[services]]\n[[services.ports]]\nstart_port = »5400\nend_port = 5500',
    },
    'port 5432 is for raw TCP',
  ],
  [
    'http and raw TCP on one port',
    {
      ...configuration({ end: '[[apps]]\nconfig = "b.toml"' }),
      'b.toml': 'app = "b"\n[[services]]\n[[services.ports]]\nport = »8080',
    },
    'port 8080 is for raw TCP here, but for http at fly.toml:4',
  ],
  [
    'http and tls on one local port',
    configuration({ top: 'ports = { 443 = 8080, 80 = 8080 }', fly: '»[http_service]' }),
    'port 443 (here 8080) is for tls here, but for http at fly.toml:2',
  ],
  [
    'a port that one app lists twice',
    service('[[services.ports]]\nport = 80\nhandlers = ["http"]\n[[services.ports]]\nport = »80\nhandlers = ["http"]'),
    'port 80 is listed twice by app "demo", first at fly.toml:4',
  ],
];

const unreadable: Case[] = [
  ['a value that is missing', { 'edge.toml': 'region = »' }, 'not valid TOML: Unspecified values'],
  ['a string without end', { 'edge.toml': 'region = "iad»\nhost = "2bc3"' }, 'not valid TOML: Unterminated string'],
  ['a key that is defined twice', { 'edge.toml': 'region = "iad"\n»region = "iad"' }, 'Defining a key multiple times'],
  ['a table that is defined twice', { 'edge.toml': '[log]\n[»log]' }, 'Defining a key multiple times'],
  ['a fly.toml that is no TOML', { ...configuration({}), 'fly.toml': 'app »demo' }, 'not valid TOML: Expected equal'],
];

describe.each([
  ['edge.toml', edgeFaults],
  ['fly.toml', flyFaults],
  ['ports', conflicts],
  ['syntax', unreadable],
])('%s', (_, cases) => {
  test.each(cases)('%s', async (_name, marked, ...says) => {
    const { files, marks } = unmark(marked);
    const { plan, faults } = await load(files);
    expect(faults.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual(marks);
    for (const [i, part] of says.entries()) expect(faults[i].message).toContain(part);
    expect(plan).toBeNull();
  });
});

test('all faults of all files are told at once, in reading order', async () => {
  const { files, marks } = unmark({
    'edge.toml': `»regoin = "iad"
      host = »2
      slots = { workers = »0, drain_timeout = »"x" }
      [[certificates]]
      cert = »"no.crt"
      key = »"no.key"
      [[apps]]
      config = "a.toml"
      org = »"b"
      hostnames = [»"a b", "a.test"]
      [[apps.instances]]
      id = »"A"
      address = »"a:b"
      »[[apps]]
      config = »"missing.toml"
      [[organizations]]
      slug = "a"
      id = 1`,
    'a.toml': `app = "a"
      [http_service]
      internal_port = »0
      [[services]]
      concurrency = { soft_limit = 2, hard_limit = »1 }
      [[services.ports]]
      port = »80`,
  });
  const { faults } = await load(files);
  // The region is missing too: that stands where the file begins.
  expect(faults.map(formatFault).map((text) => text.split(': ')[0])).toEqual(['edge.toml:1:1', ...marks]);
});

test('a file that is not there', async () => {
  expect((await load({})).faults.map(formatFault)).toEqual([
    "edge.toml:1:1: this file can't be read (no such file): write the path of edge.toml",
  ]);
});
