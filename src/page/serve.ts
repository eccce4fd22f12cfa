/** Answers with the page's files: `GET /` and what is below `/page/`. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { members } from '../base/ascii.ts';
import { acceptsGzip } from '../metrics/encoding.ts';
import { type Asset, type PageSource, pageAssets } from './assets.ts';

/** Answers a request for one of the page's paths. @returns whether it was one. */
export type PageRoute = (request: IncomingMessage, response: ServerResponse) => boolean;

const security = {
  // Whatever a label says, the browser runs, loads and sends nothing but what comes from here.
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** @param source where the page's numbers come from. Its files are read at the first request. */
export function pageRoute(source: PageSource): PageRoute {
  let assets: ReadonlyMap<string, Asset> | undefined;
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (path !== '/' && !path.startsWith('/page/')) return false;
    assets ??= pageAssets(source);
    answer(request, response, assets.get(path));
    return true;
  };
}

function answer(request: IncomingMessage, response: ServerResponse, asset: Asset | undefined): void {
  if (asset === undefined) return void line(response, 404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return void line(response, 405, 'method not allowed');
  }
  // Checked each time, so that page and program are of one version.
  const headers = { ...security, 'Cache-Control': 'no-cache', ETag: asset.etag, Vary: 'Accept-Encoding' };
  if (matches(request.headers['if-none-match'], asset.etag)) return void response.writeHead(304, headers).end();
  const gzip = acceptsGzip(request.headers['accept-encoding']);
  const body = gzip ? asset.gzip : asset.body;
  response.writeHead(200, {
    ...headers,
    'Content-Type': asset.type,
    'Content-Length': body.length,
    ...(gzip && { 'Content-Encoding': 'gzip' }),
  });
  response.end(body);
}

/** RFC 9110 13.1.2: compared weakly. */
const matches = (header: string | undefined, etag: string): boolean =>
  members(header ?? '').some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag);

function line(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    ...security,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
