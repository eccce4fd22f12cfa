/** The gateway's own series and health, on an address of their own: its API is for strangers. */

import { createServer, type Server } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import { contentType } from '../metrics/exposition.ts';
import { renderRegistry } from '../metrics/process.ts';

const maxConnections = 128;
const requestTimeout = 5_000;

/** An HTTP server that does not listen yet. It answers `/metrics` and `/healthz`. */
export function createOwnServer(register: Registry): Server {
  const server = createServer({ headersTimeout: requestTimeout, requestTimeout }, async (request, response) => {
    if (request.url === '/metrics') {
      response.writeHead(200, { 'Content-Type': contentType }).end(await renderRegistry(register));
    } else {
      response.writeHead(request.url === '/healthz' ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(request.url === '/healthz' ? 'ok\n' : 'not found\n');
    }
  });
  server.maxConnections = maxConnections;
  return server;
}
