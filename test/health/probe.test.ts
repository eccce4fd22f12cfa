import { lookup } from 'node:dns';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { makeSelfSigned } from '../../src/base/self-signed.ts';
import type { CheckPlan, UpstreamPlan } from '../../src/config/plan.ts';
import { prober } from '../../src/health/probe.ts';

const probe = prober(lookup);
const times = { interval: 10_000, timeout: 2_000, gracePeriod: 0 };
const tcp: CheckPlan = { ...times, type: 'tcp' };
const http: CheckPlan & { type: 'http' } = {
  ...times,
  type: 'http',
  method: 'GET',
  path: '/health',
  protocol: 'http',
  tlsSkipVerify: false,
  tlsServerName: null,
  headers: [],
};

async function upstream(server: net.Server): Promise<UpstreamPlan> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    (server as Server).closeAllConnections?.();
  });
  return { key: 'demo/0/a', instance: 'a', host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const web = (listener: RequestListener) => upstream(createServer(listener));

async function nobody(): Promise<UpstreamPlan> {
  const server = net.createServer();
  const gone = await upstream(server);
  await new Promise((resolve) => server.close(resolve));
  return gone;
}

test('tcp passes when the connection is made', async () => {
  expect(await probe(tcp, await upstream(net.createServer()))).toBeNull();
  expect(await probe(tcp, await nobody())).toBe('ECONNREFUSED');
});

test.for([200, 204, 299])('http passes on %i', async (status) => {
  expect(await probe(http, await web((_request, response) => response.writeHead(status).end()))).toBeNull();
});

test.for([302, 404, 500])('http fails on %i, which is told', async (status) => {
  const target = await web((_request, response) => response.writeHead(status, { Location: '/ok' }).end());
  expect(await probe(http, target)).toBe(`status ${status}`);
});

test('http sends the method, path and headers of the check on a connection of its own', async () => {
  const seen: unknown[] = [];
  const target = await web((request, response) => {
    seen.push([
      request.method,
      request.url,
      request.headers['x-check'],
      request.headers.host,
      request.headers.connection,
    ]);
    response.end();
  });
  const check = {
    ...http,
    method: 'HEAD',
    path: '/up?deep',
    headers: [
      ['X-Check', 'a'],
      ['Host', 'demo.test'],
    ] as [string, string][],
  };
  expect(await probe(check, target)).toBeNull();
  expect(seen).toEqual([['HEAD', '/up?deep', 'a', 'demo.test', 'close']]);
});

test('http fails when nobody listens, and when the answer is too late', async () => {
  expect(await probe(http, await nobody())).toBe('ECONNREFUSED');
  expect(await probe({ ...http, timeout: 50 }, await web(() => {}))).toBe('no answer within 50 ms');
});

test('a body without an end does not hold the check', async () => {
  expect(await probe(http, await web((_request, response) => void response.writeHead(200).write('a')))).toBeNull();
});

test('https verifies the certificate unless told not to', async () => {
  const target = await upstream(createTlsServer(makeSelfSigned(['demo.test']), (_request, response) => response.end()));
  const check = { ...http, protocol: 'https' as const, tlsServerName: 'demo.test' };
  expect(await probe(check, target)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(await probe({ ...check, tlsSkipVerify: true }, target)).toBeNull();
});
