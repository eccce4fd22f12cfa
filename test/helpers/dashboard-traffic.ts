/** An edge with traffic of every kind that a dashboard shows, scraped into a storage tier each second. */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { request as secureRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { cataloguePage } from './catalogue-page.ts';
import { issue, makeAuthority } from './certificates.ts';
import { Edge, service } from './edge.ts';
import { HttpInstance, RawInstance } from './instances.ts';
import { Tier } from './tier.ts';

export class DashboardTraffic {
  readonly edge: Edge;
  readonly tier: Tier;
  readonly token: string;
  /** PEM. */
  readonly #authority: string;
  readonly #agents: Server[];
  readonly #closers: (() => unknown)[];

  private constructor(edge: Edge, tier: Tier, authority: string, agents: Server[], closers: (() => unknown)[]) {
    this.edge = edge;
    this.tier = tier;
    this.token = tier.token('alpha', edge.file);
    this.#authority = authority;
    this.#agents = agents;
    this.#closers = closers;
  }

  static async start(): Promise<DashboardTraffic> {
    const closers: (() => unknown)[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-dashboards-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const authority = makeAuthority(folder);
    const tier = await Tier.prepare();
    const http = await Promise.all([1, 2].map(() => HttpInstance.start(answer)));
    const raw = await RawInstance.start((connection) => connection.socket.pipe(connection.socket));
    const beside = await Promise.all((['instance', 'instance', 'postgres'] as const).map(exporter));
    const [agents, [postgres]] = [beside.slice(0, 2), beside.slice(2)];
    const web = { soft: 2, hard: 3 };
    const edge = await Edge.start({
      organizations: { alpha: 1 },
      operator: 'alpha',
      ports: [80, 443, 5432],
      certificates: [issue(folder, authority, 'shop', ['shop.test'])],
      websocketDrainTimeout: '2s',
      apps: [
        {
          name: 'shop',
          org: 'alpha',
          fly: service(web) + service({ ...web, port: 443, handlers: ['tls', 'http'] }),
          instances: http.map(({ port }, i) => ({ id: `aa0${i + 1}`, port, agent: addressOf(agents[i]!) })),
        },
        {
          name: 'db',
          org: 'alpha',
          fly: service({ port: 5432, handlers: [], type: 'connections', soft: 1, hard: 100 }),
          instances: [{ id: 'cc01', port: raw.port, exporters: [addressOf(postgres!)] }],
        },
        // Port 1 refuses connections.
        { name: 'dead', org: 'alpha', instances: [{ id: 'dd01', port: 1 }] },
        {
          name: 'ill',
          org: 'alpha',
          fly: service({ checks: '[[services.tcp_checks]]\ninterval = "1s"\ngrace_period = 0\n' }),
          instances: [{ id: 'ee01', port: 1 }],
        },
      ],
      more: tier.toml,
    });
    closers.push(
      () => tier.stop(),
      () => edge.stop(),
      ...http.map((instance) => () => instance.stop()),
      () => raw.stop(),
      ...beside.map((server) => () => {
        server.closeAllConnections();
        server.close();
      }),
    );
    await tier.start(edge.file);
    return new DashboardTraffic(edge, tier, readFileSync(authority.cert, 'utf8'), agents, closers);
  }

  /** Some of everything: answers, errors of the instance and of the edge, TLS, limits, raw TCP. */
  async round(): Promise<void> {
    const shop = { host: 'shop.test' };
    await Promise.all([
      ...['/200', '/200', '/304', '/404', '/500'].map((path) => this.#get(path, shop)),
      // Both instances' hard limits, and a queue.
      ...Array.from({ length: 7 }, () => this.#get('/slow', shop)),
      this.#get('/', { host: 'dead.test' }),
      this.#get('/', { host: 'nobody.test' }),
      this.#secure('TLSv1.2', this.#authority),
      this.#secure('TLSv1.3', this.#authority),
      // Does not know who signed the certificate, and breaks the handshake off.
      this.#secure('TLSv1.3', undefined),
      this.#raw(),
    ]);
  }

  /** A flip that has to cut a connection, and a worker that dies. */
  async upheaval(): Promise<void> {
    const held = connect(this.edge.port(5432), '127.0.0.1');
    held.on('error', () => {});
    held.write('hello');
    await once(held, 'data');
    await this.edge.restart();
    await this.edge.drained();
    held.destroy();
    const [pid] = await this.edge.pids();
    process.kill(pid!, 'SIGKILL');
  }

  /** The agents leave, as they do once the end of their apps has been scraped. */
  loseAgents(): void {
    for (const agent of this.#agents) {
      agent.closeAllConnections();
      agent.close();
    }
  }

  async stop(): Promise<void> {
    for (const close of [...this.#closers.slice(1), this.#closers[0]!]) await close();
  }

  async #get(path: string, headers: Record<string, string>): Promise<void> {
    const asked = request({ host: '127.0.0.1', port: this.edge.port(), path, headers, agent: false }).end();
    const [response] = await once(asked, 'response');
    await response.resume().toArray();
  }

  async #secure(version: SecureVersion, ca: string | undefined): Promise<void> {
    const versions = { minVersion: version, maxVersion: version };
    const to = { host: '127.0.0.1', port: this.edge.port(443), path: '/200', agent: false as const };
    const asked = secureRequest({
      ...to,
      ...versions,
      servername: 'shop.test',
      headers: { host: 'shop.test' },
      ca,
    }).end();
    const outcome = await new Promise<IncomingMessage | Error>((resolve) => {
      asked.on('response', resolve).on('error', resolve);
    });
    if (outcome instanceof Error !== (ca === undefined)) throw new Error(`handshake with ${version}: ${outcome}`);
    if (!(outcome instanceof Error)) await outcome.resume().toArray();
  }

  async #raw(): Promise<void> {
    const socket = connect(this.edge.port(5432), '127.0.0.1');
    socket.write('select 1;');
    await once(socket, 'data');
    socket.end();
    await once(socket, 'close');
  }
}

function answer(asked: IncomingMessage, response: ServerResponse): void {
  if (asked.url === '/slow') {
    setTimeout(() => response.end('slow\n'), 150);
    return;
  }
  response.statusCode = Number(asked.url!.slice(1));
  response.end(response.statusCode === 304 ? undefined : 'hello\n'.repeat(100));
}

async function exporter(scope: 'instance' | 'postgres'): Promise<Server> {
  const began = performance.now();
  const server = createServer((_request, response) => {
    response.end(cataloguePage(scope, (performance.now() - began) / 1000));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

const addressOf = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
