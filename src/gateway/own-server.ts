/** The gateway's own series and health, on an address of their own: its API is for strangers. */

import type { Server } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import { contentType } from '../metrics/exposition.ts';
import { renderRegistry } from '../metrics/process.ts';
import { createScraperServer } from '../metrics/scraper-server.ts';

const maxConnections = 128;
/** Where the names are that both servers of the gateway are asked by. */
export const hostsKey = 'hosts in [gateway] of edge.toml';

/** An HTTP server that does not listen yet. It answers `/metrics` and `/healthz`. */
export function createOwnServer(register: Registry, hosts: () => readonly string[]): Server {
  return createScraperServer(maxConnections, { hosts, key: hostsKey }, async (request, response) => {
    if (request.url === '/metrics') {
      response.writeHead(200, { 'Content-Type': contentType }).end(await renderRegistry(register));
    } else {
      response.writeHead(request.url === '/healthz' ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(request.url === '/healthz' ? 'ok\n' : 'not found\n');
    }
  });
}
