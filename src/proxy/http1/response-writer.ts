import { lower } from '../../base/ascii.ts';
import { flat } from '../flat.ts';
import { Framing } from '../http/message/framing.ts';
import { canonical, Flag, flagsOf, Id } from '../http/message/names.ts';
import type { ResponseHead } from '../http/message/response-head.ts';
import { trailerLine } from '../http/message/trailers.ts';
import { joined } from '../http/message/values.ts';
import type { Route } from '../routing/route.ts';
import { oldViaLine, viaLine } from '../routing/route.ts';
import { dateField } from './date.ts';

/** How the client's connection goes on after an answer, and what has to be said about it. */
export const After = { silent: 0, close: 1, keepAlive: 2 } as const;
export type After = (typeof After)[keyof typeof After];

/** Ends of a head, by `After`: after a whole line, and after the request's id. */
const afterLine = ['\r\n', 'Connection: close\r\n\r\n', 'Connection: keep-alive\r\n\r\n'] as const;
const afterId = afterLine.map((end) => flat(`\r\n${end}`));

/** By id. A name in another spelling means nothing to a client, but might to a reader that folds names. */
const passes = Uint8Array.from(flagsOf, (flags) => ((flags & Flag.hop) === 0 ? 1 : 0));
passes[Id.oddFraming] = 0;
passes[Id.oddHop] = 0;

const coding = 1 << Id.transferEncoding;
const framing = coding | (1 << Id.contentLength);

/** Bits of the ids of fields that this client, or an answer of this status, must not have. */
function dropsOf(head: ResponseHead, toOld: boolean): number {
  // RFC 9110 8.6, RFC 9112 6.1. A 304 may say how long the content is; a coding would have some wait for chunks.
  if (head.status < 200 || head.status === 204) return framing;
  return (head.status === 304 ? coding : 0) | (toOld ? coding : 0);
}

/** Whether field `i` goes on to the client; hop-by-hop fields do not (RFC 9110 7.6.1). */
function kept(head: ResponseHead, i: number, route: Route, drops: number): boolean {
  const id = head.ids[i]!;
  if (passes[id] === 0 || (drops & (1 << id)) !== 0) return false;
  if (id === Id.server) return route.port.httpOptions.pristine && !route.responseDrops.has('server');
  if ((id === Id.fly || id === Id.oddOwn) && canonical(head.nameOf(i)) === 'fly-request-id') return false;
  if (route.responseDrops.size > 0 && route.responseDrops.has(lower(head.nameOf(i)))) return false;
  return head.connectionOptions === null || !head.connectionOptions.includes(canonical(head.nameOf(i)));
}

/** Where a reason begins after its space, which an instance may have left out, but a server must send (RFC 9112 4). */
const reasonAt = 'HTTP/1.1 200 '.length;

const statusLine = ({ status, text, reasonStart, reasonEnd }: ResponseHead): string =>
  `HTTP/1.1 ${status} ${text.slice(reasonStart, reasonEnd)}\r\n`;

/** Whether the client gets a `Date` of the instance's: `Connection` may take it away. */
const isDated = (head: ResponseHead): boolean => head.has(Id.date) && !head.connectionOptions?.includes('date');

/**
 * The head as the client gets it: the instance's fields in their order and bytes, then ours.
 * @param toOld the client speaks HTTP/1.0, which must get no Transfer-Encoding (RFC 9112 6.1). @param trailers it takes them.
 */
export function writeResponseHead(
  head: ResponseHead,
  route: Route,
  requestId: string,
  after: After,
  toOld: boolean,
  trailers: boolean,
): string {
  const { text, count } = head;
  const drops = head.status === 200 && !toOld ? 0 : dropsOf(head, toOld);
  const without = head.respelled ? drops | framing : drops;
  let out: string;
  // Runs of fields that pass are copied as one slice; the status line belongs to the first one.
  let run: number;
  if (head.minor === 1 && head.reasonStart === reasonAt) {
    out = '';
    run = 0;
  } else {
    out = statusLine(head);
    run = -1;
  }
  for (let i = 0; i < count; i++) {
    if (kept(head, i, route, without)) {
      if (run < 0) run = head.nameStart(i);
    } else if (run >= 0) {
      out += text.slice(run, head.nameStart(i));
      run = -1;
    }
  }
  if (run >= 0) out += text.slice(run, head.length - 2);
  if (trailers && head.has(Id.trailer))
    out += trailerLine(joined(head, Id.trailer), head.connectionOptions, route.responseDrops);
  const framed = head.contentLength < 0 ? Id.transferEncoding : Id.contentLength;
  if (head.respelled && (drops & (1 << framed)) === 0) out += head.framingField;
  if (head.status === 101 || (head.status === 426 && head.has(Id.upgrade))) {
    out += `Connection: Upgrade\r\nUpgrade: ${joined(head, Id.upgrade).slice(0, -2)}\r\n`;
  }
  const { pristine } = route.port.httpOptions;
  // RFC 9110 6.6.1.
  if (!isDated(head) && !pristine && !route.responseDrops.has('date')) out += dateField();
  out += head.minor === 1 ? route.responseSuffix : route.responseSuffix.replace(viaLine, oldViaLine);
  return pristine ? out + afterLine[after] : out + requestId + afterId[after]!;
}

/** An interim response (RFC 9110 15.2) passes with the fields that an answer would pass with, and nothing of ours. */
export function writeInterimHead(head: ResponseHead, route: Route): string {
  const { text, count } = head;
  let out = statusLine(head);
  for (let i = 0; i < count; i++) {
    if (kept(head, i, route, framing))
      out += text.slice(head.nameStart(i), i + 1 < count ? head.nameStart(i + 1) : head.length - 2);
  }
  return `${out}\r\n`;
}

/** Whether the body must lose its chunks: HTTP/1.0 knows none (RFC 9112 6.1). */
export function mustDechunk(framing: Framing, clientMinor: 0 | 1): boolean {
  return framing === Framing.chunked && clientMinor === 0;
}
