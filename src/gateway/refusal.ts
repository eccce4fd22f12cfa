/** Errors as Prometheus' HTTP API writes them: `{"status":"error","errorType":…,"error":…}`. */

import type { ServerResponse } from 'node:http';

/** Prometheus' own, all of them: its clients know no others. */
const errorTypes = [
  'timeout',
  'canceled',
  'execution',
  'bad_data',
  'internal',
  'unavailable',
  'not_found',
  'not_acceptable',
] as const;
export type ErrorType = (typeof errorTypes)[number];

export const isErrorType = (text: unknown): text is ErrorType => (errorTypes as readonly unknown[]).includes(text);

export interface Refusal {
  status: number;
  errorType: ErrorType;
  /** A sentence for whoever asked. */
  error: string;
  headers?: Record<string, string>;
}

export const refusal = (
  status: number,
  errorType: ErrorType,
  error: string,
  headers?: Record<string, string>,
): Refusal => ({ status, errorType, error, ...(headers && { headers }) });

/** Answers, or cuts the connection when the answer has begun: half of one must not look whole. */
export function refuse(response: ServerResponse, { status, errorType, error, headers }: Refusal): void {
  if (response.headersSent) return void response.destroy();
  const body = `${JSON.stringify({ status: 'error', errorType, error })}\n`;
  // What the client still sends is not read.
  const unread = response.req.complete ? {} : { Connection: 'close' };
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...unread,
    ...headers,
  });
  response.end(body);
}
