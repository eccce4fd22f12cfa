/** The supervisor's HTTP server: what is scraped, and whether the edge serves. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { constants, createGzip } from 'node:zlib';
import { decimal } from '../base/ascii.ts';
import { hostPort, type TargetGroup } from './discovery.ts';
import { acceptsGzip } from './encoding.ts';
import { contentType, ownersIn, pieceSize, render, type ScrapeScope, type ScrapeShare } from './exposition.ts';
import type { Store } from './merge.ts';
import { partsOf, shareOf } from './parts.ts';
import { Places } from './places.ts';
import { createScraperServer } from './scraper-server.ts';

export interface ScrapeOptions {
  store: Store;
  /** What an organization's page holds; undefined when there is no such organization. */
  scopeOf: (org: string) => ScrapeScope | undefined;
  /** Names that the server is asked by, besides addresses and the machine's own. */
  hosts: () => readonly string[];
  /** Where to write one more, as an operator knows the place. */
  hostsKey?: string;
  /** Whether a slot serves. */
  serving: () => boolean;
  /** Has the workers report; ends in time, whether all did or not. */
  beforeScrape: () => Promise<void>;
  /** What follows the proxy's series, in the same format. @param share undefined on the whole page. */
  append: (share: ScrapeShare | undefined) => Promise<string>;
  /** What there is to scrape; `self` is how the asker reached this server, `host:port`, null when it does not say. */
  discover: (self: string | null) => Iterable<TargetGroup>;
  /** Milliseconds until a page must have been taken. */
  pageTimeout?: number;
  /** Answers what belongs to the live page. @returns whether it did. */
  page: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Answers whatever is asked, or returns false: another process may have taken over. */
  forward?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

const places = { ofAddress: 8, ofAll: 16, longestWait: 3_000 };
/** Scrapers hold one connection each. */
const maxConnections = 128;
/** Longer than any scraper waits. One that takes a byte now and then would hold its place for ever. */
const defaultPageTimeout = 60_000;

type Route = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => void | Promise<void>;

/** An HTTP server that does not listen yet. It answers GET and HEAD of `/metrics[?org=SLUG][&part=N]`, `/sd`, `/healthz` and the page. */
export function createScrapeServer(options: ScrapeOptions): Server {
  const routes: Record<string, Route> = {
    ...largeRoutes(options),
    '/healthz': (_request, response) =>
      options.serving() ? line(response, 200, 'ok') : line(response, 503, 'no slot'),
  };
  const { hosts, hostsKey: key = 'hosts in [metrics] of edge.toml' } = options;
  const known = { hosts, key };
  return createScraperServer(maxConnections, known, async (request, response) => {
    try {
      if (options.forward?.(request, response) || options.page(request, response)) return;
      const url = URL.parse(request.url ?? '', 'http://localhost');
      const route = url !== null && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
      if (route === undefined) return line(response, 404, 'not found');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('Allow', 'GET, HEAD');
        return line(response, 405, 'method not allowed');
      }
      await route(request, response, url!.searchParams);
    } catch (error) {
      // The scraper left in the middle, or the page could not be made: a page that is cut off must not look whole.
      if (response.headersSent) response.destroy();
      else line(response, 500, `the page could not be made: ${error instanceof Error ? error.message : error}`);
    }
  });
}

/** Those whose answers are as large as the edge: they share its places. */
function largeRoutes(options: ScrapeOptions): Record<string, Route> {
  const { store, scopeOf, beforeScrape, append, discover, pageTimeout = defaultPageTimeout } = options;
  const taken = new Places(places);

  const scrape: Route = async (request, response, query) => {
    const org = query.get('org');
    const scope = org === null ? undefined : scopeOf(org);
    if (org !== null && scope === undefined) return line(response, 404, 'unknown organization');
    const asked = query.get('part');
    const part = asked === null ? null : decimal(asked);
    const parts = () => partsOf(store, org ?? '', scope);
    if (part !== null && parts()[part] === undefined) return line(response, 404, 'unknown part');
    await answer(request, response, contentType, async () => {
      await beforeScrape();
      if (part === null) return pieces(render(store, scope && ownersIn(store, scope)), await append(scope));
      // As they are after the workers' reports, which may have brought more.
      const now = parts();
      return pieces(render(store, now[part]?.owners ?? []), await append(shareOf(now, part, scope)));
    });
  };
  const sd: Route = (request, response) =>
    answer(request, response, 'application/json', async () => pieces(json(discover(hostPort(request.headers.host)))));

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    type: string,
    make: () => Promise<AsyncIterable<string>>,
  ): Promise<void> {
    const gzip = acceptsGzip(request.headers['accept-encoding']);
    const headers = { 'Content-Type': type, Vary: 'Accept-Encoding', ...(gzip && { 'Content-Encoding': 'gzip' }) };
    if (request.method === 'HEAD') return void response.writeHead(200, headers).end();
    if (!(await taken.take(response))) return line(response, 503, 'too many scrapes at once');
    const page = Readable.from(await make(), { highWaterMark: 1 });
    // Another process may have taken over meanwhile: the values here stand still.
    if (options.forward?.(request, response)) return;
    response.writeHead(200, headers);
    const signal = AbortSignal.timeout(pageTimeout);
    if (gzip) await pipeline(page, createGzip({ level: constants.Z_BEST_SPEED }), response, { signal });
    else await pipeline(page, response, { signal });
  }
  return { '/metrics': scrape, '/sd': sd };
}

/** A list in JSON, in pieces. */
function* json(list: Iterable<unknown>): Generator<string> {
  let piece = '[';
  let first = true;
  for (const each of list) {
    piece += `${first ? '' : ','}${JSON.stringify(each)}`;
    first = false;
    if (piece.length < pieceSize) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}]`;
}

/** Lets the event loop turn after each piece: workers' messages do not wait for a large page. */
async function* pieces(page: Iterable<string>, appended = ''): AsyncGenerator<string> {
  for (const piece of page) {
    yield piece;
    await setImmediate();
  }
  if (appended !== '') yield appended;
}

function line(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', `${text}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
