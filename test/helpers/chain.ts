/** The whole chain with two organizations: edge, engine, gateway, tokens; all of them the real programs. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Edge, service } from './edge.ts';
import { HttpInstance } from './instances.ts';
import { Tier } from './tier.ts';

export interface Chain {
  edge: Edge;
  /** Of the engine, without path: for what is asked directly. */
  engine: string;
  /** Of the gateway's listener, and of its own series. */
  gateway: string;
  own: string;
  process: ChildProcess;
  /** By organization: `FlyV1 fm2_…`. */
  tokens: Record<'alpha' | 'beta', string>;
  instances: Record<'alpha' | 'beta', HttpInstance>;
  /** Requests through the edge, to an app that answers with that status. */
  traffic(org: 'alpha' | 'beta', status: number, count: number): Promise<void>;
  stop(): Promise<void>;
}

/** What beta's names say nobody else may read: no query of a test contains the word. */
const names = { alpha: { app: 'shop', instance: 'aa01' }, beta: { app: 'secret-blog', instance: 'secret01' } };

/** @param gatewayKeys lines of `[gateway]`. @param flags of the engine. */
export async function startChain(gatewayKeys = '', ...flags: string[]): Promise<Chain> {
  const tier = await Tier.prepare(gatewayKeys);
  const answering = () =>
    HttpInstance.start((request, response) => {
      response.statusCode = Number(request.url!.slice(1));
      response.end('hello\n');
    });
  const instances = { alpha: await answering(), beta: await answering() };
  const exporters = [
    await exporter('shop_orders_total{kind="book"} 7\nshop_stock 3\n'),
    await exporter('vault{word="secret"} 86753.09\nshop_stock{word="secret"} 4\n'),
  ];
  const edge = await Edge.start({
    organizations: { alpha: 1, beta: 2 },
    apps: (['alpha', 'beta'] as const).map((org, i) => ({
      name: names[org].app,
      org,
      fly: `${service({ soft: 1000 }).replace('internal_port = 8080', `internal_port = ${instances[org].port}`)}
[metrics]
port = ${exporters[i]!.port}
`,
      instances: [{ id: names[org].instance }],
    })),
    more: tier.toml,
  });
  const chain: Chain = {
    edge,
    engine: tier.engine,
    gateway: tier.gateway,
    own: tier.own,
    get process() {
      return tier.process!;
    },
    tokens: { alpha: tier.token('alpha', edge.file), beta: tier.token('beta', edge.file) },
    instances,
    async traffic(org, status, count) {
      for (let i = 0; i < count; i++) {
        const headers = { host: `${names[org].app}.test` };
        const asked = request({ host: '127.0.0.1', port: edge.port(), path: `/${status}`, headers }).end();
        const [response] = await once(asked, 'response');
        await response.resume().toArray();
      }
    },
    async stop() {
      await tier.stop();
      await edge.stop();
      for (const instance of Object.values(instances)) await instance.stop();
      for (const { server } of exporters) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
  try {
    await tier.start(edge.file, ...flags);
  } catch (error) {
    await chain.stop();
    throw error;
  }
  return chain;
}

async function exporter(page: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => void response.end(page));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}
