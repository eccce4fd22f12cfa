/**
 * Between the scraper and the engine that we start. What an engine had taken and not written to its disk when it ended is
 * told to the one that comes after it: the scraper, which was told that it is taken, has forgotten it.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Log } from '../log/log.ts';
import { createScraperServer } from '../metrics/scraper-server.ts';
import { type Block, KeptBlocks } from './kept-blocks.ts';
import { hostsKey } from './own-server.ts';

export interface WriteRelayOptions {
  /** The engine's URL. */
  storage: URL;
  /** The value of `Authorization` that the engine asks for, and this of the scraper. */
  authorization: string;
  log: Log;
}

/** The one path that it serves. */
export const writePath = '/api/v1/write';

const maxConnections = 64;
/** vmagent's blocks have 8 MiB before they are compressed. */
const longestBlock = 32 * 1024 * 1024;
const mostKept = 128 * 1024 * 1024;
const timeout = 30_000;
/** What the engine must know of a block. */
const passed = ['content-type', 'content-encoding', 'x-prometheus-remote-write-version'];

export class WriteRelay {
  /** It does not listen yet. */
  readonly server: Server;
  readonly #options: WriteRelayOptions;
  readonly #target: URL;
  readonly #kept = new KeptBlocks(mostKept);
  /** Counts the engines, as they come one after another. */
  #engine = 0;

  constructor(options: WriteRelayOptions) {
    this.#options = options;
    this.#target = new URL(writePath, options.storage);
    const hosts = { hosts: () => [], key: hostsKey };
    this.server = createScraperServer(
      maxConnections,
      hosts,
      (request, response) => void this.#serve(request, response),
    );
  }

  /** The engine has ended. */
  ended(): void {
    this.#engine++;
    this.#kept.lost();
  }

  /** Another engine answers. */
  async back(): Promise<void> {
    const { bytes } = this.#kept;
    const blocks = await this.#kept.replay(async (block) => {
      const status = await this.#write(block).catch(() => 0);
      return status >= 200 && status < 300;
    });
    if (blocks > 0) this.#options.log.info({ blocks, bytes }, 'the engine was told again what it may have lost');
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number) => response.writeHead(status).end();
    if (!same(request.headers.authorization ?? '', this.#options.authorization)) return void answer(401);
    if (request.url !== writePath) return void answer(404);
    if (request.method !== 'POST') return void answer(405);
    try {
      const body = await readBody(request);
      if (body === null) return void answer(413);
      answer(await this.#relay({ body, headers: headersOf(request) }));
    } catch {
      // The scraper keeps it, and tries again.
      answer(503);
    }
  }

  /** @returns the status for the scraper; throws when the engine can't be reached. */
  async #relay(block: Block): Promise<number> {
    const engine = this.#engine;
    const status = await this.#write(block);
    // Taken by one that has ended since: it may not have kept it.
    if (engine !== this.#engine) return 503;
    if (status >= 200 && status < 300) this.#kept.taken(block);
    return status;
  }

  async #write({ body, headers }: Block): Promise<number> {
    const response = await fetch(this.#target, {
      method: 'POST',
      headers: { ...headers, authorization: this.#options.authorization },
      body: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length),
      signal: AbortSignal.timeout(timeout),
      redirect: 'error',
    });
    await response.body?.cancel();
    return response.status;
  }
}

/** @returns null when it is too long. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longestBlock) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const of = passed.map((name) => [name, headers[name]] as const);
  return Object.fromEntries(of.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
