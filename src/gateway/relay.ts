/** The engine's answer on its way to the client: its status, type and bytes, and nothing else of it. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { decimal, lower } from '../text/ascii.ts';
import { mediaType } from '../text/media-type.ts';
import { type Refusal, refusal, refuse } from './refusal.ts';

/** Of an error that is not JSON, more is not read. */
const longestError = 8 * 1024;

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
  if (status >= 400 && !json) return explain(message, response, status);
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

/** Errors of some endpoints are lines of text, with addresses that are nobody's business before them. */
async function explain(message: IncomingMessage, response: ServerResponse, status: number): Promise<boolean> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if (size < longestError) chunks.push(chunk);
      size += chunk.length;
    }
  } catch {
    return false;
  }
  const text =
    lower(message.headers['content-encoding'] ?? '') === 'gzip' ? unzipped(chunks) : Buffer.concat(chunks).toString();
  const error = text
    .replace(/^remoteAddr: "[^"]*"(, X-Forwarded-For: "[^"]*")?; requestURI: [^ ]+; /, '')
    .replace(/[ \t\r\n]+$/, '');
  refuse(response, refusal(status, status < 500 ? 'bad_data' : 'internal', error.slice(0, longestError)));
  return true;
}

function unzipped(chunks: Buffer[]): string {
  try {
    return gunzipSync(Buffer.concat(chunks), { maxOutputLength: 16 * longestError }).toString();
  } catch {
    return 'the storage tier gave no reason that can be read';
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
  for (const name of ['content-type', 'content-encoding'] as const) {
    if (headers[name] !== undefined) kept[name] = headers[name];
  }
  return kept;
}
