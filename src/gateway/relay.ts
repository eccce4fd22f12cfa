/** The engine's answer on its way to the client: its status, type and bytes, and nothing else of it. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { decimal, lower } from '../base/ascii.ts';
import { mediaType } from '../base/media-type.ts';
import { type ErrorType, isErrorType, type Refusal, refusal, refuse } from './refusal.ts';

/** No more is read of an error that is not JSON. */
const longestError = 8 * 1024;
/** One that is JSON may be longer: it has the whole query in it. */
const longestJson = 1024 * 1024;
const noReason = 'the storage tier gave no reason that can be read';

/** Nearly all answers are shorter. */
const heldBack = 32 * 1024;

/**
 * Settled when the client has it, or has left. A client that cannot be told any more leaves the engine its time: its
 * answer is read to the end and dropped.
 * @returns false when the engine did not send all of it.
 */
export async function relay(message: IncomingMessage, response: ServerResponse, limit: number): Promise<boolean> {
  const status = message.statusCode!;
  const json = mediaType(message.headers['content-type']) === 'application/json';
  if (response.headersSent || response.destroyed) return drop(message);
  if (status < 200 || (status >= 300 && status < 400)) {
    refuse(response, refusal(502, 'internal', `the storage tier answered with status ${status}`));
    return drop(message);
  }
  if (status >= 400) return explain(message, response, status, json);
  const tooLarge = refusal(422, 'execution', `the answer has more than ${limit} bytes: ask for less`);
  if (decimal(message.headers['content-length'] ?? '0', limit) < 0) {
    refuse(response, tooLarge);
    message.destroy();
    return true;
  }
  return pump(message, response, limit, tooLarge);
}

/**
 * With backpressure: what the client has not read is not kept here. The first bytes are held back until there are
 * more of them or the answer is whole: when the engine ends before that, nothing was said, and it can be asked again.
 */
async function pump(
  message: IncomingMessage,
  response: ServerResponse,
  limit: number,
  tooLarge: Refusal,
): Promise<boolean> {
  let size = 0;
  let held: Buffer[] | null = [];
  const begin = () => {
    response.writeHead(message.statusCode!, headersOf(message));
    for (const chunk of held ?? []) response.write(chunk);
    held = null;
  };
  const left = new Promise<void>((resolve) => response.once('close', resolve));
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) {
        refuse(response, tooLarge);
        message.destroy();
        return true;
      }
      if (response.destroyed) return true;
      if (held !== null) {
        held.push(chunk);
        if (size > heldBack) begin();
      } else if (!response.write(chunk)) {
        await Promise.race([new Promise((resolve) => response.once('drain', resolve)), left]);
      }
    }
  } catch {
    // The engine's connection broke.
  }
  if (message.complete) {
    if (held !== null) begin();
    response.end();
  } else if (held === null) response.destroy();
  return message.complete;
}

async function drop(message: IncomingMessage): Promise<boolean> {
  try {
    for await (const _chunk of message);
  } catch {
    // Its connection broke.
  }
  return message.complete;
}

/**
 * The engine's errors become Prometheus': of some endpoints they are lines of text, with addresses that are nobody's business
 * before them; victoria-metrics' have the status for a type. JSON that says something else passes as it is.
 */
async function explain(
  message: IncomingMessage,
  response: ServerResponse,
  status: number,
  json: boolean,
): Promise<boolean> {
  const longest = json ? longestJson : longestError;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if (size < longest) chunks.push(chunk);
      size += chunk.length;
    }
  } catch {
    return false;
  }
  // Its time was over meanwhile.
  if (response.headersSent || response.destroyed) return true;
  const bytes = Buffer.concat(chunks);
  const gzip = lower(message.headers['content-encoding'] ?? '') === 'gzip';
  const text = gzip ? unzipped(bytes, 16 * longest) : bytes.toString();
  const said = json ? errorIn(text) : { type: undefined, error: text };
  if (said === null && size <= longest) {
    response.writeHead(status, headersOf(message)).end(bytes);
    return true;
  }
  const error = (said?.error ?? noReason)
    .replace(/^remoteAddr: "[^"]*"(, X-Forwarded-For: "[^"]*")?; requestURI: [^ ]+; /, '')
    .replace(/[ \t\r\n]+$/, '')
    .slice(0, longest);
  refuse(response, refusal(status, isErrorType(said?.type) ? said.type : typeOf(status, error), error));
  return true;
}

/** What an error in Prometheus' form says; null for another one. */
function errorIn(text: string): { type: unknown; error: string } | null {
  try {
    const { status, errorType, error } = JSON.parse(text);
    return status === 'error' && typeof error === 'string' ? { type: errorType, error } : null;
  } catch {
    return null;
  }
}

/** What Prometheus would call an error with this status. */
function typeOf(status: number, error: string): ErrorType {
  if (status === 422) return 'execution';
  if (status === 404) return 'not_found';
  if (status === 503) return /timeout|deadline/i.test(error) ? 'timeout' : 'unavailable';
  if (status === 429) return 'unavailable';
  return status < 500 ? 'bad_data' : 'internal';
}

function unzipped(bytes: Buffer, maxOutputLength: number): string {
  try {
    return gunzipSync(bytes, { maxOutputLength }).toString();
  } catch {
    return noReason;
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
  for (const name of ['content-type', 'content-encoding'] as const) {
    if (headers[name] !== undefined) kept[name] = headers[name];
  }
  return kept;
}
