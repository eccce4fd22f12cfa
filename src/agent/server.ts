/** The agent's HTTP server: GET and HEAD of `/metrics` and `/healthz`. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { constants, gzipSync } from 'node:zlib';
import { acceptsGzip } from '../metrics/encoding.ts';
import { contentType } from '../metrics/exposition.ts';

/** Scrapers hold one connection each. */
const maxConnections = 32;
const requestTimeout = 5_000;
/** A scraper that reads nothing for so long gives its place back. */
const idleTimeout = 30_000;

export interface AgentServerOptions {
  page: () => Promise<string>;
  /** Called when a scraper has been sent a whole page. @param page the one. */
  scraped: (page: string) => void;
}

/** Does not listen yet. */
export function createAgentServer({ page, scraped }: AgentServerOptions): Server {
  const server = createServer({ headersTimeout: requestTimeout, requestTimeout, maxHeaderSize: 8192 });
  server.maxConnections = maxConnections;
  server.timeout = idleTimeout;
  server.on('request', async (request, response) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== '/metrics' && path !== '/healthz') return line(response, 404, 'not found');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return line(response, 405, 'method not allowed');
    }
    if (path === '/healthz') return line(response, 200, 'ok');
    try {
      const text = request.method === 'HEAD' ? '' : await page();
      if (text !== '') response.once('finish', () => scraped(text));
      send(request, response, text);
    } catch (error) {
      line(response, 500, `the page could not be made: ${(error as Error).message}`);
    }
  });
  return server;
}

function send({ headers }: IncomingMessage, response: ServerResponse, text: string): void {
  response.setHeader('Content-Type', contentType);
  response.setHeader('Vary', 'Accept-Encoding');
  if (!acceptsGzip(headers['accept-encoding'])) return void response.end(text);
  response.setHeader('Content-Encoding', 'gzip');
  // Not on libuv's threads, which file systems that do not answer may hold.
  response.end(text === '' ? '' : gzipSync(text, { level: constants.Z_BEST_SPEED }));
}

function line(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
