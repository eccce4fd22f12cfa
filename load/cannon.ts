/** autocannon by amount, with each response counted and timed here: its own latencies are whole milliseconds. */

import { createRequire } from 'node:module';
import { Tally } from './tally.ts';

export interface Shot {
  /** Relay's port. */
  port: number;
  requests: number;
  connections: number;
  /** Host header and, with TLS, server name. */
  host: string;
  secure?: boolean;
  path?: string;
  /** Makes it a POST. */
  body?: string;
  /** A connection per request, closed by the client. */
  close?: boolean;
  /** Called with the milliseconds of each response. */
  onResponse?: (duration: number) => void;
}

/** The part of autocannon's client that is used here; the version is pinned. */
interface Client {
  on(event: 'headers', listener: (head: { shouldKeepAlive: boolean }) => void): void;
  _doRequest(): void;
  _resetConnection(): void;
  pipelinedRequests: {
    terminateRequest(): { headers: { statusCode: number }; duration: number } | undefined;
  };
}

const autocannon = createRequire(import.meta.url)('autocannon') as (
  options: Record<string, unknown>,
) => Promise<{ errors: number }>;

/** Sends exactly `requests` requests, as long as no connection fails. */
export async function cannon(shot: Shot): Promise<Tally> {
  const tally = new Tally();
  const length = Buffer.byteLength(shot.body ?? '');
  const result = await autocannon({
    url: `http${shot.secure ? 's' : ''}://127.0.0.1:${shot.port}${shot.path ?? '/'}`,
    amount: shot.requests,
    connections: Math.min(shot.connections, shot.requests),
    headers: { host: shot.host },
    servername: shot.host,
    method: shot.body === undefined ? 'GET' : 'POST',
    ...(shot.body === undefined ? {} : { body: shot.body }),
    ...(shot.close ? { reconnectRate: 1 } : {}),
    // Its end is noticed at a sample.
    sampleInt: 50,
    timeout: 60,
    setupClient(client: Client) {
      // The one place that each response passes, also with reconnectRate, which emits no event for them.
      const queue = client.pipelinedRequests;
      const terminate = queue.terminateRequest.bind(queue);
      queue.terminateRequest = () => {
        const request = terminate();
        if (request) {
          tally.add(request.headers.statusCode, request.duration, length);
          shot.onResponse?.(request.duration);
        }
        return request;
      };
      obeyClose(client);
    },
  });
  tally.failures = result.errors;
  return tally;
}

/** autocannon sends on after `Connection: close`, which no client may (RFC 9112 9.6): the next request goes elsewhere. */
function obeyClose(client: Client): void {
  let closing = false;
  client.on('headers', (head) => {
    closing = !head.shouldKeepAlive;
  });
  const next = client._doRequest.bind(client);
  client._doRequest = () => {
    if (!closing) return next();
    closing = false;
    client._resetConnection();
  };
}
