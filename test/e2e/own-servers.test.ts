/** Our own HTTP servers, as web pages in an operator's browser reach them: none may read or change anything (DNS rebinding). */

import type { ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts, ready, start, stop } from '../../load/processes.ts';
import { Edge, edgeProgram } from '../helpers/edge.ts';
import { type LoneGateway, startLoneGateway } from '../helpers/lone-gateway.ts';
import { RawSocket } from '../helpers/raw.ts';

const apps = [{ name: 'shop', instances: [{ id: 'aa01' }] }];

let edge: Edge;
let lone: LoneGateway;
let agent: ChildProcess;
let agentUrl: string;

beforeAll(async () => {
  edge = await Edge.start({ apps, metrics: 'hosts = ["edge", "Metrics.Example.com."]' });
  lone = await startLoneGateway({
    storage: 'http://127.0.0.1:9',
    organizations: ['alpha'],
    keys: 'hosts = ["gateway", "api.example.com"]',
  });
  const [port] = await freePorts(1);
  agentUrl = `http://127.0.0.1:${port}`;
  const names = ['--host', 'app', '--host', 'app.internal'];
  agent = start(process.execPath, [edgeProgram, 'agent', '--listen', `127.0.0.1:${port}`, ...names]);
  await ready(agent, 'the agent', async () => (await fetch(`${agentUrl}/healthz`)).ok);
});

afterAll(async () => {
  await edge?.stop();
  await lone?.stop();
  if (agent !== undefined) await stop(agent);
});

interface Server {
  url: () => string;
  paths: string[];
  /** Names that the configuration gives it. */
  names: string[];
  key: string;
}

const servers: Record<string, Server> = {
  edge: {
    url: () => edge.metricsUrl,
    paths: ['/metrics', '/metrics?org=none', '/sd', '/healthz', '/', '/page/live.js', '/none'],
    names: ['edge', 'EDGE:9091', 'edge.', 'metrics.example.com', 'metrics.example.com.:80'],
    key: 'hosts in [metrics] of edge.toml',
  },
  agent: {
    url: () => agentUrl,
    paths: ['/metrics', '/healthz', '/none'],
    names: ['app', 'app:9100', 'App.Internal'],
    key: '--host of fly-edge agent',
  },
  gateway: {
    url: () => lone.url,
    paths: ['/', '/page/none', '/prometheus/alpha/api/v1/query?query=1', '/none'],
    names: ['gateway:9092', 'API.example.com'],
    key: 'hosts in [gateway] of edge.toml',
  },
  "gateway's own": {
    url: () => lone.own,
    paths: ['/metrics', '/healthz', '/none'],
    names: ['gateway:9093', 'api.example.com'],
    key: 'hosts in [gateway] of edge.toml',
  },
};

async function raw(url: string, bytes: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const socket = new RawSocket(connect(Number(port), host));
  socket.send(bytes);
  await socket.peerEnd();
  return socket.take();
}

const ask = (url: string, path: string, host: string, method = 'GET'): Promise<string> =>
  raw(url, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

const isolated = /^x-content-type-options: nosniff\r\n(.*\r\n)*cross-origin-resource-policy: same-origin\r$/im;

describe.each(Object.entries(servers))('the %s server', (_name, { url, paths, names, key }) => {
  test.each([
    'evil.test',
    'evil.test:9091',
    '127.0.0.1.evil.test',
    'localhost.evil.test',
    'xlocalhost',
    '127.0.0.1@evil.test',
    'evil.test@127.0.0.1',
    '[::1].evil.test',
    '[evil.test]',
    '2130706433',
    '127.1',
    '0x7f.0.0.1',
    'localhost, evil.test',
    'localhost evil.test',
    'lo\u00e7alhost',
    '\u00e0localhost',
    'localhost..',
    `${hostname()}.evil.test`,
    '*',
    '',
  ])('a page that is asked for as %j gets nothing of any path, and the operator the key', async (host) => {
    for (const path of paths) {
      const answer = await ask(url(), path, host);
      expect(answer, path).toMatch(/^HTTP\/1\.1 421 /);
      expect(answer, path).toContain(key);
      expect(answer, path).toMatch(isolated);
      expect(answer.length, path).toBeLessThan(1_000);
    }
    expect(await ask(url(), paths[0]!, host, 'POST')).toMatch(/^HTTP\/1\.1 421 /);
  });

  test.each([
    'localhost',
    'LOCALHOST:1',
    '127.0.0.1',
    '[::1]:9091',
    '[fe80::1]',
    '10.1.2.3:65535',
    hostname(),
    ...names,
  ])('asked for as %j it answers', async (host) => {
    const answer = await ask(url(), paths.find((path) => path === '/healthz' || path === '/')!, host);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(isolated);
  });

  test('no status is without nosniff and CORP', async () => {
    const { host } = new URL(url());
    const close = 'Connection: close\r\n\r\n';
    const statuses = new Map([
      ['GET / HTTP/1.1\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: ${host}\r\nHost: ${host}\r\n${close}`, 400],
      ['no request\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(200_000)}\r\n${close}`, 431],
      [`GET / HTTP/1.1\r\nHost: ${host}\r\nExpect: much\r\n${close}`, 417],
      [`GET http://evil.test/metrics HTTP/1.1\r\nHost: ${host}\r\n${close}`, 421],
      [`GET http://${host}/metrics HTTP/1.1\r\nHost: evil.test\r\n${close}`, 421],
    ]);
    for (const [bytes, status] of statuses) {
      const answer = await raw(url(), bytes);
      expect(answer, bytes.slice(0, 60)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer, bytes.slice(0, 60)).toMatch(isolated);
    }
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'TRACE']) {
        const answer = await ask(url(), path, host, method);
        expect(answer, `${method} ${path}`).toMatch(isolated);
        expect(answer, `${method} ${path}`).not.toMatch(/^access-control-allow/im);
      }
    }
  });

  test('HTTP/1.0 need not say a name: no browser speaks it', async () => {
    const path = paths.find((path) => path === '/healthz' || path === '/')!;
    expect(await raw(url(), `GET ${path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(url(), `GET ${path} HTTP/1.0\r\nHost: evil.test\r\n\r\n`)).toMatch(/^HTTP\/1\.1 421 /);
  });
});

test('garbage after a request does not become a part of its answer', async () => {
  const { host } = new URL(edge.metricsUrl);
  const answer = await raw(edge.metricsUrl, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n\0\r\n\r\n`);
  expect(answer.match(/HTTP\/1\.1 /g) ?? []).toHaveLength(1);
});

test('names that come with a restart hold from then on', async () => {
  expect(await ask(edge.metricsUrl, '/healthz', 'later')).toMatch(/^HTTP\/1\.1 421 /);
  await edge.reconfigure({ metrics: 'hosts = ["later"]' });
  expect(await ask(edge.metricsUrl, '/healthz', 'later')).toMatch(/^HTTP\/1\.1 200 /);
  expect(await ask(edge.metricsUrl, '/healthz', 'edge')).toMatch(/^HTTP\/1\.1 421 /);
});
