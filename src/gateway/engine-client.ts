/** Sends queries to the engine, one connection each: one that breaks then always means this query, or the engine's end. */

import { type ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'http-proxy-3';
import type { EngineQuery } from './engine-query.ts';

/**
 * answered  the engine did its part, whatever it said
 * refused   the engine was not there: it never saw the query
 * broken    the connection ended before the answer did
 * late      the deadline came first
 */
export type Outcome = 'answered' | 'refused' | 'broken' | 'late';

/** How it ends for the engine, whenever that is. */
export type End = Exclude<Outcome, 'late'>;

export interface Sending {
  outcome: Promise<Outcome>;
  /** After `late`, the engine still works on it: it knows a query's timeout, and not in all that it does looks at it. */
  done: Promise<End>;
}

interface Exchange {
  outgoing: ClientRequest | null;
  answer: (message: IncomingMessage) => void;
  end: (how: End) => void;
  deadline: number;
}

const connectTimeout = 5_000;
/** Milliseconds of silence after which a connection's other side is asked whether it is still there: its machine may be gone. */
const keepAlive = 30_000;

export class EngineClient {
  readonly #proxy: ProxyServer = createProxyServer({ selfHandleResponse: true, ignorePath: true, connectTimeout });
  readonly #exchanges = new Map<IncomingMessage, Exchange>();
  readonly #authorization: Record<string, string>;

  /** @param authorization what the engine asks for; null: nothing. */
  constructor(authorization: string | null) {
    this.#authorization = authorization === null ? {} : { authorization };
    this.#proxy.on('proxyReq', (outgoing, request) => {
      const exchange = this.#exchanges.get(request);
      if (exchange === undefined) outgoing.destroy();
      else if (performance.now() > exchange.deadline) drop(exchange, outgoing);
      else {
        exchange.outgoing = outgoing;
        outgoing.setSocketKeepAlive(true, keepAlive);
      }
    });
    this.#proxy.on('proxyRes', (message, request) => {
      const exchange = this.#exchanges.get(request);
      if (exchange === undefined) message.destroy();
      else exchange.answer(message);
    });
  }

  /**
   * @param deadline as `performance.now()` has it.
   * @param answer gets the answer's head, and is done when its body is; false: the engine did not send all of it.
   */
  send(query: EngineQuery, deadline: number, answer: (message: IncomingMessage) => Promise<boolean>): Sending {
    const { promise: done, resolve } = Promise.withResolvers<End>();
    const { promise: late, resolve: tooLate } = Promise.withResolvers<'late'>();
    // A request of our own, with nothing in it that the client sent but the parameters that we know.
    const request = new IncomingMessage(new Socket());
    request.method = 'POST';
    request.url = '/';
    request.headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(query.form)),
      'accept-encoding': query.gzip ? 'gzip' : 'identity',
      ...this.#authorization,
    };
    const exchange: Exchange = {
      outgoing: null,
      answer: (message) => {
        message.on('error', () => {});
        answer(message).then(
          (whole) => resolve(whole ? 'answered' : 'broken'),
          () => resolve('broken'),
        );
      },
      end: resolve,
      deadline,
    };
    this.#exchanges.set(request, exchange);
    const timer = setTimeout(() => tooLate('late'), Math.max(0, deadline - performance.now()));
    const options = { target: query.url, buffer: Readable.from([query.form]) };
    // Not the client's response either: one who leaves does not make the engine's end look like its own.
    this.#proxy.web(request, new ServerResponse(request), options, (error) => resolve(outcomeOf(error)));
    void done.then(() => {
      clearTimeout(timer);
      this.#exchanges.delete(request);
    });
    return { outcome: Promise.race([done, late]), done };
  }

  /** Leaves the engine alone with what it works on. */
  close(): void {
    for (const exchange of this.#exchanges.values()) if (exchange.outgoing !== null) drop(exchange, exchange.outgoing);
  }
}

/** As if the engine had never seen it: that it ends is our doing. */
function drop({ end }: Exchange, outgoing: ClientRequest): void {
  end('refused');
  outgoing.destroy();
}

function outcomeOf(error: NodeJS.ErrnoException): End {
  const before = error.syscall === 'connect' || error.syscall === 'getaddrinfo' || error.code === 'ECONNECT_TIMEOUT';
  return before ? 'refused' : 'broken';
}
