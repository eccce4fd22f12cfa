import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { DnsServer, type Zone } from '../helpers/dns.ts';
import { Edge, type EdgeOptions, service } from '../helpers/edge.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

async function dnsServer(zones: Record<string, Zone>): Promise<DnsServer> {
  const dns = await DnsServer.start(zones);
  onTestFinished(() => dns.stop());
  return dns;
}

async function edgeWith(dns: DnsServer, options: EdgeOptions): Promise<Edge> {
  const more = `[resolver]\nservers = ["${dns.address}"]\nsearch = ["svc.test"]\nndots = 1\n${options.more ?? ''}`;
  const edge = await Edge.start({ ...options, more });
  onTestFinished(() => edge.stop());
  return edge;
}

/** An HTTP server that answers with its address and path; null when the address can't be had. */
async function instance(host: string, port = 0): Promise<{ port: number; server: Server; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url!);
    response.end(host);
  });
  server.keepAliveTimeout = 600_000;
  await once(server.listen(port, host), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, requests };
}

/** On a connection of its own. */
async function get(edge: Edge, host: string): Promise<{ status: number; body: string }> {
  const client = await rawClient(edge.port());
  client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const { status, body } = await client.response();
  client.destroy();
  return { status, body };
}

test('a name in a black hole takes no other along, in traffic and checks, and holds up neither start nor restart', async () => {
  const dns = await dnsServer({ 'hole.test': { fault: 'hole' }, 'web.test': { addresses: ['127.0.0.1'] } });
  const { port } = await instance('127.0.0.1');
  const checks = '[[services.http_checks]]\npath = "/check"\ninterval = "1s"\ngrace_period = "0s"';
  const named = (name: string, host: string, fly = service()) => ({ name, fly, instances: [{ id: '1a', host, port }] });
  const edge = await edgeWith(dns, {
    ports: [80, 81],
    apps: [
      named('hole', 'hole.test'),
      named('tunnel', 'hole.test', service({ port: 81, handlers: [] })),
      named('web', 'web.test'),
      named('local', 'localhost'),
      named('checked', 'web.test', service({ checks })),
    ],
  });
  const watch = await edge.watch();
  const holes = ['hole.test', 'hole.test', 'hole.test'].map((host) => get(edge, host));
  const others = ['web.test', 'local.test', 'checked.test', 'web.test', 'local.test', 'checked.test'];
  const answers = await Promise.all(others.map((host) => get(edge, host)));
  expect(answers.map(({ status }) => status)).toEqual(others.map(() => 200));
  // It is answered at once, not when the lookup has ended.
  for (const { status, body } of await Promise.all(holes)) {
    expect({ status, body }).toEqual({ status: 503, body: expect.stringMatching(/^unresolved: /) });
  }
  const raw = await rawClient(edge.port(81));
  expect(await raw.peerEnd()).toBe('reset');
  await watch.moved({ 'edge 200': 6, 'app 200': 6, 'edge 503': 3, 'error unresolved': 4 });
  await edge.restart();
  expect((await get(edge, 'web.test')).status).toBe(200);
}, 60_000);

test('a name that moves moves the traffic, pooled connections included; while it is not found, all stays', async () => {
  const dns = await dnsServer({ 'web.svc.test': { addresses: ['127.0.0.1'], ttl: 0 } });
  const first = await instance('127.0.0.1');
  const second = await instance('127.0.0.2', first.port);
  const edge = await edgeWith(dns, {
    apps: [{ name: 'web', instances: [{ id: '1a', host: 'web', port: first.port }] }],
  });
  expect((await get(edge, 'web.test')).body).toBe('127.0.0.1');
  dns.zones.set('web.svc.test', { fault: 'servfail' });
  await until(
    () => edge.log.some(({ msg, name }) => msg === 'name does not resolve' && name === 'web'),
    'the log line',
  );
  expect((await get(edge, 'web.test')).body).toBe('127.0.0.1');
  dns.zones.set('web.svc.test', { addresses: ['127.0.0.2'], ttl: 0 });
  await until(async () => (await get(edge, 'web.test')).body === '127.0.0.2', 'the other address');
  const before = first.requests.length;
  for (let i = 0; i < 5; i++) expect((await get(edge, 'web.test')).body).toBe('127.0.0.2');
  expect(first.requests.length).toBe(before);
  expect(second.requests.length).toBeGreaterThanOrEqual(6);
  expect(edge.log.some(({ msg, name }) => msg === 'name resolves again' && name === 'web')).toBe(true);
}, 60_000);

test('of several addresses those that refuse are passed over, whatever their family; a late name gets its requests', async () => {
  const dns = await dnsServer({ 'many.test': { addresses: ['127.0.0.1', '127.0.0.2', '::1'] } });
  const { port } = await instance('127.0.0.2');
  const six = createTcpServer((socket) => socket.end('six'));
  await once(six.listen(0, '::1'), 'listening');
  onTestFinished(() => void six.close());
  const tcp = service({ port: 81, handlers: [], type: 'connections' });
  const edge = await edgeWith(dns, {
    ports: [80, 81],
    apps: [
      { name: 'many', fly: service({ type: 'connections' }), instances: [{ id: '1a', host: 'many.test', port }] },
      {
        name: 'six',
        fly: tcp,
        instances: [{ id: '1a', host: 'many.test', port: (six.address() as AddressInfo).port }],
      },
      { name: 'late', instances: [{ id: '1a', host: 'late.test', port }] },
    ],
  });
  const watch = await edge.watch();
  for (let i = 0; i < 6; i++) expect(await get(edge, 'many.test')).toEqual({ status: 200, body: '127.0.0.2' });
  for (let i = 0; i < 3; i++) {
    const client = await rawClient(edge.port(81));
    expect(await client.through('six')).toBe('six');
    client.destroy();
  }
  await watch.moved({ 'edge 200': 6, 'app 200': 6 });
  expect((await get(edge, 'late.test')).status).toBe(503);
  dns.zones.set('late.test', { addresses: ['127.0.0.2'] });
  await until(async () => (await get(edge, 'late.test')).status === 200, 'the name to be found');
}, 60_000);
