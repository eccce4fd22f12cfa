/** Sends queries to the engine, one connection each: one that breaks then always means this query, or the engine's end. */

import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
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

const connectTimeout = 5_000;
/** Milliseconds of silence after which a connection's other side is asked whether it is still there: its machine may be gone. */
const keepAlive = 30_000;

export class EngineClient {
  /** Those that the engine works on, each with what ends it. */
  readonly #outgoing = new Map<ClientRequest, (how: End) => void>();
  readonly #authorization: Record<string, string>;

  /** @param authorization what the engine asks for; null: nothing. */
  constructor(authorization: string | null) {
    this.#authorization = authorization === null ? {} : { authorization };
  }

  /**
   * @param deadline as `performance.now()` has it.
   * @param answer gets the answer's head, and is done when its body is; false: the engine did not send all of it.
   */
  send(query: EngineQuery, deadline: number, answer: (message: IncomingMessage) => Promise<boolean>): Sending {
    const { promise: done, resolve } = Promise.withResolvers<End>();
    const { promise: late, resolve: tooLate } = Promise.withResolvers<'late'>();
    const outgoing = this.#request(query);
    this.#outgoing.set(outgoing, resolve);
    let reached = false;
    const secure = query.url.protocol === 'https:';
    outgoing.on('socket', (socket) => socket.once(secure ? 'secureConnect' : 'connect', () => (reached = true)));
    outgoing.on('error', () => resolve(reached ? 'broken' : 'refused'));
    outgoing.on('response', (message) => {
      message.on('error', () => {});
      answer(message).then(
        (whole) => resolve(whole ? 'answered' : 'broken'),
        () => resolve('broken'),
      );
    });
    const connecting = setTimeout(() => reached || outgoing.destroy(new Error('connect timed out')), connectTimeout);
    const timer = setTimeout(() => tooLate('late'), Math.max(0, deadline - performance.now()));
    outgoing.end(query.form);
    void done.then(() => {
      clearTimeout(connecting);
      clearTimeout(timer);
      this.#outgoing.delete(outgoing);
    });
    return { outcome: Promise.race([done, late]), done };
  }

  /** Leaves the engine alone with what it works on: that its connection ends is our doing, as if it had never seen the query. */
  close(): void {
    for (const [outgoing, end] of this.#outgoing) {
      end('refused');
      outgoing.destroy();
    }
  }

  /** There is nothing in it that the client sent but the parameters that we know. */
  #request({ url, form, gzip }: EngineQuery): ClientRequest {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': Buffer.byteLength(form),
        'accept-encoding': gzip ? 'gzip' : 'identity',
        ...this.#authorization,
      },
    });
    outgoing.setNoDelay(true);
    outgoing.setSocketKeepAlive(true, keepAlive);
    return outgoing;
  }
}
