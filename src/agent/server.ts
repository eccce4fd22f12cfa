/** The agent's HTTP server: GET and HEAD of `/metrics` and `/healthz`. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { contentType } from '../metrics/exposition.ts';
import { createScraperServer } from '../metrics/scraper-server.ts';

const maxConnections = 32;
/** Characters of User-Agent that are remembered. */
const longestAgent = 100;

export interface AgentServerOptions {
  page: () => Promise<string>;
  /** Called when a scraper has been sent a whole page. @param page the one. @param client who it is, as far as is known. */
  scraped: (page: string, client: string) => void;
  /** Names that the server is asked by, besides addresses and the machine's own. */
  hosts: readonly string[];
}

/** Does not listen yet. */
export function createAgentServer({ page, scraped, hosts }: AgentServerOptions): Server {
  const known = { hosts: () => hosts, key: '--host of fly-edge agent' };
  return createScraperServer(maxConnections, known, async (request, response) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== '/metrics' && path !== '/healthz') return line(response, 404, 'not found');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return line(response, 405, 'method not allowed');
    }
    if (path === '/healthz') return line(response, 200, 'ok');
    try {
      const text = await page();
      const client = clientOf(request);
      if (request.method === 'GET') response.once('finish', () => scraped(text, client));
      const bytes = Buffer.from(text);
      // Not compressed: that costs a third of what a scrape costs, and the page is small.
      response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': bytes.length }).end(bytes);
    } catch (error) {
      line(response, 500, `the page could not be made: ${(error as Error).message}`);
    }
  });
}

/** Two programs on one machine mostly call themselves differently. */
const clientOf = ({ socket, headers }: IncomingMessage): string =>
  `${socket.remoteAddress} ${headers['user-agent']?.slice(0, longestAgent) ?? ''}`;

function line(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
