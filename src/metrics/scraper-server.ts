import { createServer, type RequestListener, type Server } from 'node:http';
import { boundConnections } from './connections.ts';
import { type GuardOptions, guard } from './guard.ts';

const requestTimeout = 5_000;
/** A scraper that reads nothing for so long gives its place back. */
const idleTimeout = 30_000;
/** Node looks every half minute by default: connections that send nothing would keep scrapers out as long. */
const connectionsCheckingInterval = 1_000;
const maxHeaderSize = 8192;

/**
 * An HTTP server for scrapers, which are few and quick: who is not gives its place back soon. It does not listen yet.
 * @param maxConnections scrapers hold one connection each.
 */
export function createScraperServer(maxConnections: number, hosts: GuardOptions, handler: RequestListener): Server {
  const headersTimeout = requestTimeout;
  const server = createServer({
    headersTimeout,
    requestTimeout,
    connectionsCheckingInterval,
    maxHeaderSize,
    requireHostHeader: false,
  });
  guard(server, hosts, handler);
  boundConnections(server, maxConnections);
  server.timeout = idleTimeout;
  return server;
}
