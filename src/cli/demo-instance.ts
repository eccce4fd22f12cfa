/** A demo instance, a process of its own: `demo-instance ID HOST PORT`. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { decimal } from '../base/ascii.ts';
import { echoWebSocket } from './demo-websocket.ts';

const [id = 'demo', host = '127.0.0.1', port = '0'] = process.argv.slice(2);

/** What a visitor may ask for at most. */
const longest = { ms: 60_000, bytes: 1024 * 1024 * 1024 };
const chunk = Buffer.alloc(64 * 1024, 'fly-edge ');

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

const routes: Record<string, Route> = {
  '/': (_request, response) => text(response, 200, `hello from instance ${id}\n`),
  '/health': (_request, response) => text(response, 200, 'ok\n'),
  '/slow': async (_request, response, url) => {
    const ms = number(url, 'ms', 1000, longest.ms);
    await setTimeout(ms);
    text(response, 200, `${ms} ms later, from instance ${id}\n`);
  },
  '/bytes': (_request, response, url) => {
    const bytes = number(url, 'n', 1000, longest.bytes);
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes });
    sendBytes(response, bytes);
  },
  '/echo': (request, response) => {
    response.writeHead(200, { 'Content-Type': request.headers['content-type'] ?? 'text/plain' });
    request.pipe(response);
  },
};

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://demo');
  const status = /^\/status\/([2-5]\d\d)$/.exec(url.pathname);
  if (status !== null) return text(response, Number(status[1]), `status ${status[1]} from instance ${id}\n`);
  const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (route === undefined) return text(response, 404, 'not found; try / /slow?ms= /status/NNN /bytes?n= /echo /ws\n');
  void route(request, response, url);
});
// Longer than the edge keeps an idle connection: it must be the one that closes.
server.keepAliveTimeout = 120_000;
server.on('upgrade', (request, socket) => {
  if (request.url === '/ws') echoWebSocket(request, socket);
  else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
});
server.listen(Number(port), host, () => process.send?.('listening'));

function text(response: ServerResponse, status: number, body: string): void {
  const bodiless = status === 204 || status === 304;
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Fly-Demo-Instance': id });
  response.end(bodiless ? undefined : body);
}

function number(url: URL, name: string, fallback: number, most: number): number {
  const value = decimal(url.searchParams.get(name) ?? '');
  return value < 0 ? fallback : Math.min(value, most);
}

function sendBytes(response: ServerResponse, left: number): void {
  while (left > 0) {
    const size = Math.min(left, chunk.length);
    left -= size;
    if (!response.write(chunk.subarray(0, size)) && left > 0) {
      response.once('drain', () => sendBytes(response, left));
      return;
    }
  }
  response.end();
}

// The demo leads: Ctrl-C reaches the whole process group, and the edge drains first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});
process.once('disconnect', () => process.exit());
