/**
 * The one table of what can go wrong. A code decides the status that a client sees, the `code` label,
 * the log line and whether another instance may be tried. RFC 9110 15.5, 15.6 for the statuses.
 */

export interface EdgeError {
  readonly code: string;
  readonly source: 'client' | 'edge' | 'instance';
  /** 0: nothing can be answered, the connection is closed. */
  readonly status: number;
  /** It may be tried again (when no byte was sent, or the method allows it): see `Tries`. */
  readonly retry: boolean;
  /** Only where the connection had carried a request before. */
  readonly reusedOnly: boolean;
  /** Moves `fly_edge_error_count` and writes a log line. */
  readonly counted: boolean;
  /** What the one-line body says. */
  readonly message: string;
}

const row = (
  code: string,
  source: EdgeError['source'],
  status: number,
  message: string,
  more: { retry?: boolean; reusedOnly?: boolean; counted?: boolean } = {},
): EdgeError => ({
  ...{ code, source, status, message },
  ...{ retry: more.retry ?? false, reusedOnly: more.reusedOnly ?? false, counted: more.counted ?? true },
});

export const errors = {
  badRequest: row('bad_request', 'client', 400, 'the request could not be read'),
  plainHttp: row('plain_http', 'client', 400, 'plain HTTP was sent to a port for HTTPS'),
  unknownHost: row('unknown_host', 'client', 404, 'no app has this host name'),
  methodNotAllowed: row('method_not_allowed', 'client', 405, 'this method is not served by the edge itself'),
  requestTimeout: row('request_timeout', 'client', 408, 'the request did not arrive in time'),
  slowRequest: row('slow_request', 'client', 408, 'the request body came too slowly'),
  contentTooLarge: row('content_too_large', 'client', 413, 'the request body is too large'),
  misdirected: row('misdirected', 'client', 421, 'this host name belongs to another TLS name or version'),
  headTooLarge: row('head_too_large', 'client', 431, 'the request head is too large'),
  codingNotImplemented: row('coding_not_implemented', 'client', 501, 'no transfer coding but chunked is served here'),
  versionUnsupported: row('version_unsupported', 'client', 505, 'HTTP/1.0 and HTTP/1.1 are served here'),
  proxyHeader: row('proxy_header', 'client', 0, 'the PROXY header was missing or could not be read'),
  pgRequest: row('pg_request', 'client', 0, 'the connection did not begin as PostgreSQL does'),
  connectionLimit: row('connection_limit', 'client', 0, 'too many open connections'),
  idleTimeout: row('idle_timeout', 'client', 0, 'no bytes moved for too long'),
  slowReader: row('slow_reader', 'client', 0, 'the answer was read too slowly'),
  clientGone: row('client_gone', 'client', 0, 'the client left', { counted: false }),
  noInstance: row('no_instance', 'edge', 503, 'no healthy instance'),
  unresolved: row('unresolved', 'edge', 503, 'no address has been found yet for the name of any instance'),
  queueFull: row('queue_full', 'edge', 503, 'all instances are at their limit and the queue is full'),
  queueTimeout: row('queue_timeout', 'edge', 503, 'all instances stayed at their limit'),
  accept: row('accept', 'edge', 0, 'a connection could not be accepted'),
  exhausted: row('exhausted', 'edge', 503, 'the edge is out of descriptors, ports or memory'),
  internal: row('internal', 'edge', 500, 'the edge failed'),
  connect: row('instance_connect', 'instance', 502, 'the instance could not be reached', { retry: true }),
  connectTimeout: row('instance_connect_timeout', 'instance', 504, 'the instance could not be reached in time', {
    retry: true,
  }),
  instanceClosed: row('instance_closed', 'instance', 502, 'the instance closed before it answered', {
    retry: true,
    reusedOnly: true,
  }),
  badResponse: row('instance_bad_response', 'instance', 502, 'the answer of the instance could not be read'),
  responseTimeout: row('instance_timeout', 'instance', 504, 'the instance did not answer in time'),
  brokeOff: row('instance_broke_off', 'instance', 0, 'the instance broke off in the middle of its answer'),
} as const satisfies Record<string, EdgeError>;
