/** The gateway in this process, in front of an engine that a test plays. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server, request as send } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Registry } from '@prometheus-io/client';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { TrustedPeers } from '../../src/base/trusted.ts';
import type { GatewayLimits } from '../../src/config/plan.ts';
import type { AuthorizationOptions } from '../../src/gateway/authorization.ts';
import { answers } from '../../src/gateway/daemon.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { Quarantine, type QuarantineOptions } from '../../src/gateway/quarantine.ts';
import { GatewaySeries } from '../../src/gateway/series.ts';
import { Suspects } from '../../src/gateway/suspects.ts';

/** What the engine was asked. */
export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  form: [string, string][];
}

export interface Options extends Partial<Omit<AuthorizationOptions, 'log' | 'trusted' | 'seldom'>> {
  /** Without it, everything is answered with `{"status":"success"}`. */
  engine?: RequestListener;
  /** After the engine's address. */
  path?: string;
  limits?: Partial<GatewayLimits>;
  trusted?: string[];
  hosts?: string[];
  quarantine?: QuarantineOptions;
  /** Queries that the engine is given at once. */
  capacity?: number;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface TestGateway {
  port: number;
  asked: Asked[];
  register: Registry;
  /** Lines that were logged. */
  lines: string[];
  engine: Server;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, form: string, headers?: Record<string, string>): Promise<Answer>;
}

/** Tokens of a test are the slugs of what they open; `bad` is none. */
const authorizer: AuthorizationOptions['authorizer'] = {
  check: (authorization, org) => {
    const token = authorization?.replace('Bearer ', '');
    if (token === undefined || token === 'bad') return { ok: false, status: 401, reason: 'no token' };
    return token === org ? { ok: true } : { ok: false, status: 403, reason: `token of ${token}` };
  },
};

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

export async function testGateway(options: Options = {}): Promise<TestGateway> {
  const asked: Asked[] = [];
  const { engine = (_request, response) => void response.end('{"status":"success"}') } = options;
  const server = createServer(async (request, response) => {
    if (request.url === '/health') return void response.end('OK');
    const form = [...new URLSearchParams(await text(request))];
    asked.push({ method: request.method!, url: request.url!, headers: request.headers, form });
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('X-Server-Hostname', 'storage-1');
    engine(request, response);
  });
  const storage = `http://127.0.0.1:${await listen(server)}`;
  const register = new Registry();
  const lines: string[] = [];
  const gateway = new Gateway(
    {
      plan: {
        host: '127.0.0.1',
        port: 0,
        hosts: options.hosts ?? [],
        storage: storage + (options.path ?? ''),
        keys: '',
        location: 'test',
        metrics: { host: '127.0.0.1', port: 0 },
        limits: {
          concurrency: 4,
          engineConcurrency: null,
          queue: 0,
          queueTimeout: 5_000,
          timeout: 5_000,
          responseSize: 1_000_000,
          requestSize: 16_384,
          ...options.limits,
        },
      },
      organizations: new Map([
        ['alpha', { slug: 'alpha', id: 7 }],
        ['beta', { slug: 'beta', id: 8 }],
      ]),
      authorizer: options.authorizer ?? authorizer,
      trusted: new TrustedPeers(options.trusted ?? []),
      flyClientIp: options.flyClientIp ?? false,
    },
    {
      attempts: options.attempts ?? { allowed: () => true, failed: () => {} },
      quarantine: new Quarantine(options.quarantine),
      suspects: new Suspects({
        back: (until) => answers(new URL(`${storage}/health`), until),
        restarts: false,
        patience: 500,
      }),
      series: new GatewaySeries(register),
      capacity: options.capacity ?? 8,
      engineAuthorization: null,
      log: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    },
  );
  const port = await listen(gateway.server);
  const ask = async (method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> => {
    const sent = send({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { authorization: 'Bearer alpha', ...headers },
    });
    sent.end(body);
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  };
  return {
    port,
    asked,
    register,
    lines,
    engine: server,
    get: (path, headers = {}) => ask('GET', path, headers),
    post: (path, form, headers = {}) =>
      ask('POST', path, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, form),
  };
}

/** Bytes as they are, and all that comes back until the other side closes. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.end(bytes, 'latin1');
  return text(socket).catch(() => '');
}
