import { performance } from 'node:perf_hooks';
import type { Context } from '../context.ts';
import { flat } from '../flat.ts';
import { canonical, Flag, flagsOf, Id } from '../http/message/names.ts';
import type { RequestHead } from '../http/message/request-head.ts';
import { trailerLine } from '../http/message/trailers.ts';
import { joined } from '../http/message/values.ts';
import { oldViaLine, viaLine } from '../routing/route.ts';
import { believed, type Forwarding } from './forwarding.ts';
import type { RequestRecord } from './request-record.ts';

/** Whether a field goes on to the instance as it came, by id: from a stranger, and from a trusted proxy. */
const passes = Uint8Array.from(flagsOf, (flags) => ((flags & (Flag.hop | Flag.own | Flag.claim)) === 0 ? 1 : 0));
const passesTrusted = Uint8Array.from(flagsOf, (flags) => ((flags & (Flag.hop | Flag.own)) === 0 ? 1 : 0));
for (const table of [passes, passesTrusted]) {
  table[Id.oddHop] = 0;
  table[Id.oddOwn] = 0;
}

/** Drops what `Connection` names too; false when the field goes on. */
function named(head: RequestHead, field: number): boolean {
  return head.connectionOptions!.includes(canonical(head.nameOf(field)));
}

/**
 * The head as the instance gets it: fields in the client's order and bytes, then ours.
 * @param close one request on this connection only.
 */
export function writeRequestHead(
  head: RequestHead,
  forwarding: Forwarding,
  context: Context,
  trusted: boolean,
  record: RequestRecord,
  close: boolean,
): string {
  const { text, ids, count } = head;
  const options = head.connectionOptions;
  let out = '';
  // Runs of fields that pass are copied as one slice, with the request line where it can stay as it came.
  let run = -1;
  if (head.minor === 1 && count > 0 && isAsSent(head)) {
    run = 0;
  } else {
    out = `${head.method} ${text.slice(head.pathStart, head.pathEnd)}${version}`;
    // What 1.0 may lack, 1.1 must have, even if it says nothing (RFC 9110 7.2).
    if (head.minor === 0 && !ids.subarray(0, count).includes(Id.host)) out += `Host: ${forwarding.authority}\r\n`;
  }
  const table = trusted ? passesTrusted : passes;
  const withForwarded = forwarding.about.forwarded !== '' ? 1 << Id.forwarded : 0;
  const anew = withForwarded | (head.respelled || head.maxForwards > 0 || head.minor === 0 ? writtenAnew(head) : 0);
  for (let i = 0; i < count; i++) {
    const fieldId = ids[i];
    if (table[fieldId] === 1 && (anew & (1 << fieldId)) === 0 && (options === null || !named(head, i))) {
      if (run < 0) run = head.nameStart(i);
      continue;
    }
    if (run >= 0) {
      out += text.slice(run, head.nameStart(i));
      run = -1;
    }
  }
  if (run >= 0) out += text.slice(run, head.fieldsEnd);
  if (head.respelled) out += 'Transfer-Encoding: chunked\r\n';
  if (head.maxForwards > 0) out += `Max-Forwards: ${head.maxForwards - 1}\r\n`;
  if (head.has(Id.trailer) && forwarding.route.port.httpOptions.requestTrailers) {
    out += trailerLine(joined(head, Id.trailer), options);
  }
  if (record.trailers || record.upgrade !== '') out += connectionFields(record, close);
  else if (close) out += 'Connection: close\r\n';
  const fields = trusted ? believed(head, forwarding, context) : forwarding.fields;
  out += head.minor === 1 ? fields : fields.replace(viaLine, oldViaLine);
  return out + record.id + requestStart(record.startedAt);
}

const version = ' HTTP/1.1\r\n';

/** The request line can stay: its target goes on as it came, and the fields follow at once. */
const isAsSent = (head: RequestHead): boolean =>
  head.pathStart === head.method.length + 1 && head.pathEnd + version.length === head.nameStart(0);

/** What is for this hop alone, with the options that say so (RFC 9110 7.6.1). */
function connectionFields({ trailers, upgrade }: RequestRecord, close: boolean): string {
  const options = [...(upgrade !== '' ? ['Upgrade'] : close ? ['close'] : []), ...(trailers ? ['TE'] : [])];
  return (
    `Connection: ${options.join(', ')}\r\n` +
    (upgrade === '' ? '' : `Upgrade: ${upgrade}\r\n`) +
    (trailers ? 'TE: trailers\r\n' : '')
  );
}

/** Bits of the ids whose fields do not go on as they came. */
function writtenAnew(head: RequestHead): number {
  const coding = head.respelled ? 1 << Id.transferEncoding : 0;
  const forwards = head.maxForwards > 0 ? 1 << Id.maxForwards : 0;
  // The expectation of a 1.0 client is none (RFC 9110 10.1.1), and our own 1.1 would make it one.
  return coding | forwards | (head.minor === 0 ? 1 << Id.expect : 0);
}

/** Unix milliseconds at 0 of `performance.now()`; follows the wall clock when that is set. */
let origin = performance.timeOrigin;
/** The line up to its milliseconds: most requests share it with others. */
let line = '';
let millisecond = -1;
let second = -1;
/** Microseconds, and the head's end. */
const ends = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(3, '0')}\r\n\r\n`);

/** The end of the line before, `X-Request-Start` in Unix microseconds, and the end of the head. @param at milliseconds of `performance.now()`. */
function requestStart(at: number): string {
  const microseconds = Math.round((origin + at) * 1000);
  const whole = Math.floor(microseconds / 1000);
  if (whole !== millisecond) {
    millisecond = whole;
    line = flat(`\r\nX-Request-Start: t=${whole}`);
    const ofSecond = Math.floor(whole / 1000);
    if (ofSecond !== second) {
      second = ofSecond;
      const now = Date.now() - performance.now();
      if (Math.abs(now - origin) > 10) origin = now;
    }
  }
  return line + ends[microseconds - whole * 1000]!;
}
