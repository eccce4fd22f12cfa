import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DnsServer } from '../helpers/dns.ts';
import { Edge } from '../helpers/edge.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

/** A web server at one port of both loopback addresses and at unix sockets in a folder; counts its checks by app. */
async function everywhere() {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-addresses-'));
  const checked = new Set<string>();
  const [four, six, ...sockets] = Array.from({ length: 4 }, () => {
    const server = createServer((request, response) => {
      const check = /^\/check\/(.+)$/.exec(request.url!)?.[1];
      if (check !== undefined) checked.add(check);
      response.end('hello');
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return server;
  }) as [ReturnType<typeof createServer>, ReturnType<typeof createServer>, ...ReturnType<typeof createServer>[]];
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  let port = 0;
  // A port that is free at one address may be taken at the other.
  for (; port === 0; ) {
    await once(four.listen(0, '127.0.0.1'), 'listening');
    const wanted = (four.address() as AddressInfo).port;
    const bound = await new Promise<boolean>((resolve) => {
      six.once('listening', () => resolve(true)).once('error', () => resolve(false));
      six.listen(wanted, '::1');
    });
    if (bound) port = wanted;
    else await new Promise((resolve) => four.close(resolve));
  }
  const paths = ['app.sock', 'other app.sock'].map((name) => join(folder, name));
  for (const [i, socket] of sockets.entries()) await once(socket.listen(paths[i]), 'listening');
  return { port, folder, paths, checked };
}

test('an address in any form that is accepted serves traffic, both kinds of checks, discovery and status', async () => {
  const { port, folder, paths, checked } = await everywhere();
  const zone = { addresses: ['127.0.0.1'] };
  const dns = await DnsServer.start({
    'web.test': zone,
    'web_1.test': zone,
    'a.1': zone,
    'six.test': { addresses: ['::1'] },
  });
  onTestFinished(() => dns.stop());
  writeFileSync(join(folder, 'hosts'), '::1 written.test\n');
  /** As it is written; in `status`; what scrapers are told as the host of port 9. */
  const forms: [address: string, status: string, host: string | null][] = [
    [`127.0.0.1:${port}`, `127.0.0.1:${port}`, '127.0.0.1'],
    ['127.0.0.1', `127.0.0.1:${port}`, '127.0.0.1'],
    [`[::1]:${port}`, `[::1]:${port}`, '[::1]'],
    ['[::1]', `[::1]:${port}`, '[::1]'],
    [`[0:0:0:0:0:0:0:1]:${port}`, `[0:0:0:0:0:0:0:1]:${port}`, '[0:0:0:0:0:0:0:1]'],
    [`[::ffff:127.0.0.1]:${port}`, `[::ffff:127.0.0.1]:${port}`, '[::ffff:127.0.0.1]'],
    [`localhost:${port}`, `localhost:${port}`, 'localhost'],
    ['localhost', `localhost:${port}`, 'localhost'],
    [`LocalHost:${port}`, `localhost:${port}`, 'localhost'],
    [`localhost.:${port}`, `localhost.:${port}`, 'localhost.'],
    [`app.localhost:${port}`, `app.localhost:${port}`, 'app.localhost'],
    [`web:${port}`, `web:${port}`, 'web'],
    [`web.test.:${port}`, `web.test.:${port}`, 'web.test.'],
    [`web_1.test:${port}`, `web_1.test:${port}`, 'web_1.test'],
    // No host of a URL as browsers read it.
    [`a.1:${port}`, `a.1:${port}`, 'a.1'],
    [`six.test:${port}`, `six.test:${port}`, 'six.test'],
    [`written.test:${port}`, `written.test:${port}`, 'written.test'],
    [`unix:${paths[0]}`, `unix:${paths[0]}`, null],
    [`unix:${paths[1]}`, `unix:${paths[1]}`, null],
  ];
  const apps = forms.map(([address], i) => ({
    name: `app${i}`,
    fly: `[[services]]
internal_port = ${port}
[[services.ports]]
port = 80
handlers = ["http"]
[[services.http_checks]]
path = "/check/app${i}"
[[services]]
internal_port = ${port}
[[services.ports]]
port = ${100 + i}
[[services.tcp_checks]]
[[metrics]]
port = 9
`,
    instances: [{ id: '1a', host: address }],
  }));
  const edge = await Edge.start({
    apps,
    ports: [80, ...forms.map((_, i) => 100 + i)],
    more: `[resolver]\nservers = ["${dns.address}"]\nsearch = ["test"]\nhosts = "${join(folder, 'hosts')}"\n`,
  });
  onTestFinished(() => edge.stop());
  const { instances } = await edge.status();
  for (const [i, [address, status]] of forms.entries()) {
    const got: unknown[] = [];
    for (const request of [edge.port(), edge.port(100 + i)]) {
      const client = await rawClient(request);
      client.send(`GET /metrics HTTP/1.1\r\nHost: app${i}.test\r\n\r\n`);
      got.push((await client.response()).status);
      client.destroy();
    }
    const told = instances.filter(({ app }) => app === `app${i}`);
    got.push(...told.map(({ address, health }) => `${address} ${health}`));
    expect([address, checked.has(`app${i}`), ...got]).toEqual([
      address,
      true,
      200,
      200,
      `${status} healthy`,
      `${status} healthy`,
    ]);
  }
  const sd = (await (await fetch(`${edge.metricsUrl}/sd`)).json()) as {
    targets: string[];
    labels: Record<string, string>;
  }[];
  const targets = sd.filter(({ labels }) => labels.__meta_fly_kind === 'app').map(({ targets }) => targets[0]);
  expect(targets).toEqual(forms.flatMap(([, , host]) => (host === null ? [] : [`${host}:9`])));
}, 60_000);

test('a check of a service whose instances expect PROXY headers sends one', async () => {
  const seen: string[] = [];
  const { createServer: createTcpServer } = await import('node:net');
  // Version 1, then version 2, each before HTTP and alone.
  const header = /^(PROXY UNKNOWN\r\n|\r\n\r\n\0\r\nQUIT\n\x20\0\0\0)/;
  const server = createTcpServer((socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (!header.test(text)) return void socket.destroy();
      if (text.endsWith('\r\n\r\n') && /GET/.test(text)) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    socket.on('end', () => seen.push(text.replace(header, '')));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const service = (number: number, more: string, checks: string) =>
    `[[services]]\n[[services.ports]]\nport = ${number}\nhandlers = ["proxy_proto"]\n${more}\n${checks}\n`;
  const http = '[[services.http_checks]]\npath = "/check"';
  const tcp = '[[services.tcp_checks]]';
  const second = 'proxy_proto_options = { version = "v2" }';
  const edge = await Edge.start({
    ports: [81, 82, 83, 84],
    apps: [
      {
        name: 'demo',
        fly: service(81, '', http) + service(82, second, http) + service(83, '', tcp) + service(84, second, tcp),
        instances: [{ id: '1a', port }],
      },
    ],
  });
  onTestFinished(() => edge.stop());
  const { instances } = await edge.status();
  expect(instances.map(({ health }) => health)).toEqual(['healthy', 'healthy', 'healthy', 'healthy']);
  await until(() => seen.length >= 2, 'the tcp checks to end');
  expect(seen.filter((text) => text === '').length).toBeGreaterThanOrEqual(2);
}, 60_000);
