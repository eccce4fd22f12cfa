import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Address } from '../config/address.ts';

/** These belong to one hop (RFC 9110 7.6.1). */
const hop = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** Has whoever listens there answer a GET or HEAD; the connection ends after it. */
export function forward(request: IncomingMessage, response: ServerResponse, { host, port }: Address): void {
  const { method, url: path } = request;
  const headers = { ...request.headers, connection: 'close' };
  const asked = ask({ host, port, method, path, headers, agent: false }, (answer) => {
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined && !hop.has(name)) response.setHeader(name, value);
    response.writeHead(answer.statusCode!, { Connection: 'close' });
    pipeline(answer, response).catch(() => response.destroy());
  });
  asked.on('error', () => response.destroy());
  response.once('close', () => asked.destroy());
  asked.end();
}
