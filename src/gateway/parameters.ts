/** The parameters of a query, read once and strictly: what is sent on is written anew from them. */

import type { IncomingMessage } from 'node:http';
import { decimal, lower } from '../base/ascii.ts';
import { mediaType } from '../base/media-type.ts';
import { parseDuration } from '../config/duration.ts';
import type { Endpoint } from './endpoints.ts';
import { expandedSize } from './expansion.ts';
import { type Refusal, refusal } from './refusal.ts';

export type Parameters = [name: string, value: string][];

/** More selectors than anyone writes. */
const mostRepeated = 100;
/** One text, with its templates put in, may be so long: some hundred times what people write, and little for the engine. */
const mostExpanded = 256 * 1024;

/** Reads the parameters of the URL and of a POST's form, as they are allowed for this endpoint. */
export async function readParameters(
  request: IncomingMessage,
  endpoint: Endpoint,
  sizeLimit: number,
): Promise<Parameters | Refusal> {
  const url = request.url!;
  const start = url.indexOf('?');
  const inUrl = start < 0 ? '' : url.slice(start + 1);
  if (inUrl.length > sizeLimit) return tooLarge(sizeLimit);
  const form = await readForm(request, sizeLimit);
  if (typeof form !== 'string') return form;
  const parameters = parse(`${inUrl}&${form}`);
  return parameters === null ? malformed : check(parameters, endpoint);
}

/**
 * Milliseconds that the query may take, by its own `timeout`.
 * @returns null when it gives none; a refusal when it cannot be read.
 */
export function timeoutOf(parameters: Parameters): number | null | Refusal {
  const value = parameters.find(([name]) => name === 'timeout')?.[1];
  if (value === undefined) return null;
  const milliseconds = /^\d{1,6}(\.\d{1,9})?$/.test(value) ? Math.round(Number(value) * 1000) : parseDuration(value);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  return refusal(400, 'bad_data', 'timeout: write seconds, or a duration such as 30s');
}

/** The body of a POST; empty for GET, which must not have any. */
async function readForm(request: IncomingMessage, sizeLimit: number): Promise<string | Refusal> {
  const { 'content-type': type, 'content-encoding': coding, 'content-length': length = '0' } = request.headers;
  const has = request.headers['transfer-encoding'] !== undefined || decimal(length) !== 0;
  if (!has) return '';
  if (request.method !== 'POST') return refusal(400, 'bad_data', 'a GET has no body: use POST');
  if (coding !== undefined && lower(coding) !== 'identity')
    return unsupported('send the form without Content-Encoding');
  if (mediaType(type) !== 'application/x-www-form-urlencoded') {
    return unsupported('send the parameters as application/x-www-form-urlencoded');
  }
  if (decimal(length, sizeLimit) < 0) return tooLarge(sizeLimit);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > sizeLimit) return tooLarge(sizeLimit);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    return malformed;
  }
}

/** application/x-www-form-urlencoded; null for what one reader could read otherwise than another. */
function parse(text: string): Parameters | null {
  // Go's reader refuses semicolons, others take them for ampersands.
  if (text.includes(';')) return null;
  const parameters: Parameters = [];
  try {
    for (const part of text.split('&')) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      if (equals < 0) return null;
      parameters.push([decode(part.slice(0, equals)), decode(part.slice(equals + 1))]);
    }
    return parameters;
  } catch {
    return null;
  }
}

/** Throws on an escape that is none, or is not UTF-8. */
const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));

function check(parameters: Parameters, { parameters: known }: Endpoint): Parameters | Refusal {
  const counts = new Map<string, number>();
  for (const [name, value] of parameters) {
    const parameter = Object.hasOwn(known, name) ? known[name]! : undefined;
    if (parameter === undefined) {
      const shown = JSON.stringify(name.slice(0, 40));
      return refusal(400, 'bad_data', `parameter ${shown} is not taken here: use ${Object.keys(known).join(', ')}`);
    }
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count > (parameter.repeated ? mostRepeated : 1)) return refusal(400, 'bad_data', `${name} is given too often`);
    if (!parameter.format.test(value)) return refusal(400, 'bad_data', `${name}: write ${parameter.instruction}`);
    if (parameter.text && expandedSize(value) > mostExpanded) return tooLargeExpanded;
  }
  return parameters;
}

const tooLargeExpanded = refusal(
  422,
  'execution',
  `with its templates put in, the query has more than ${mostExpanded} characters: write it without WITH`,
);
const malformed = refusal(400, 'bad_data', 'the parameters cannot be read: write name=value&…, percent-encoded UTF-8');
const unsupported = (error: string): Refusal => refusal(415, 'bad_data', error);
const tooLarge = (limit: number): Refusal => refusal(413, 'bad_data', `the parameters have more than ${limit} bytes`);
