/** Stands between a scraper and what it scrapes, and keeps every page that passed: what a storage must have taken. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { parseExposition } from './exposition.ts';

export class Tap {
  readonly #server: Server;
  /** By path with its query: each series' values, in the order they passed. */
  readonly #passed = new Map<string, Map<string, number[]>>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target `host:port`. */
  static async start(target: string): Promise<Tap> {
    const server = createServer();
    const tap = new Tap(server);
    server.on('request', async (asked, answer) => {
      try {
        // The host that was asked for is what the edge lists itself by.
        const { host = '' } = asked.headers;
        const { statusCode, headers, body } = await request(`http://${target}${asked.url}`, { headers: { host } });
        const text = await body.text();
        const type = String(headers['content-type']);
        if (statusCode === 200 && type.startsWith('text/plain')) tap.#keep(asked.url!, text);
        answer.writeHead(statusCode, { 'content-type': type }).end(text);
      } catch {
        answer.writeHead(502).end();
      }
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return tap;
  }

  /** `host:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Values of a path's series, each by `seriesKey`. */
  passed(path: string): ReadonlyMap<string, readonly number[]> {
    return this.#passed.get(path) ?? new Map();
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #keep(path: string, text: string): void {
    const kept = this.#passed.get(path) ?? new Map<string, number[]>();
    this.#passed.set(path, kept);
    for (const [name, samples] of parseExposition(text)) {
      for (const { labels, value } of samples) {
        const key = seriesKey(name, labels);
        const values = kept.get(key) ?? [];
        values.push(value);
        kept.set(key, values);
      }
    }
  }
}

/** A series' name and labels, whatever their order. A label without a value is none. */
export function seriesKey(name: string, labels: Record<string, string>): string {
  const present = Object.entries(labels).filter(([, value]) => value !== '');
  return `${name}${JSON.stringify(present.sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}
