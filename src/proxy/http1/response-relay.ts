import { lower } from '../../base/ascii.ts';
import type { Context } from '../context.ts';
import { type EdgeError, errors } from '../errors.ts';
import { Framing } from '../http/message/framing.ts';
import { COMPLETE, INCOMPLETE, TOO_LARGE } from '../http/message/head.ts';
import { Id } from '../http/message/names.ts';
import { ResponseHead } from '../http/message/response-head.ts';
import { isOffered } from '../http/message/upgrade.ts';
import { joined } from '../http/message/values.ts';
import type { EdgeSeries } from '../series.ts';
import { clock } from '../transport/clock.ts';
import type { Attempt } from './attempt.ts';
import { Body } from './body.ts';
import { Onward, passed } from './chunked.ts';
import { HeadBuffer } from './head-buffer.ts';
import { errorAnswer, optionsAnswer, redirectAnswer } from './local-reply.ts';
import type { RequestRecord } from './request-record.ts';
import { After, mustDechunk, writeInterimHead, writeResponseHead } from './response-writer.ts';
import type { Http1ServerConnection } from './server-connection.ts';

/** Every response head of the worker is read into this one; used up before the next. */
const head = new ResponseHead();

/** Who is told what becomes of an answer: its exchange. */
export interface ResponseOwner {
  /** The final head went to the client; the rest comes to `relay`. */
  answerBegun(): void;
  /** Its last byte went to the client. @param reusable the instance's connection can carry another request. */
  answerComplete(reusable: boolean): void;
  answerFailed(error: EdgeError, detail: string): void;
  /** 101 went to the client: what follows in buffer[start,end) is no HTTP. Returns whether to read on. */
  protocolSwitched(buffer: Buffer, start: number, end: number): boolean;
}

/** What the client gets for a request: the instance's answer as it passes, or one of the edge's own. */
export class ResponseRelay {
  readonly #client: Http1ServerConnection;
  readonly #context: Context;
  readonly #record: RequestRecord;
  /** The client's body on its way to the instance. */
  readonly #request: Body;
  readonly #attempt: Attempt;
  readonly #owner: ResponseOwner;
  readonly body = new Body();
  /** The status of the answer that was begun towards the client; 0 for none. */
  status = 0;
  /** The client's connection is used again after it. */
  keepAfter = false;
  /** A stream of events, of which the next may come when it likes. */
  events = false;
  /** It began before the client's body was through. */
  early = false;
  readonly #partialHead = new HeadBuffer();
  /** The client cannot read chunks. */
  #dechunk = false;
  #reusable = false;
  #afterInterim = false;

  constructor(
    client: Http1ServerConnection,
    context: Context,
    record: RequestRecord,
    request: Body,
    attempt: Attempt,
    owner: ResponseOwner,
  ) {
    this.#client = client;
    this.#context = context;
    this.#record = record;
    this.#request = request;
    this.#attempt = attempt;
    this.#owner = owner;
  }

  reset(): void {
    this.body.begin(Framing.none, 0, 0);
    this.status = 0;
    this.heard = false;
    this.keepAfter = false;
    this.events = false;
    this.early = false;
    this.#dechunk = false;
    this.#reusable = false;
  }

  /** The series of the app that the request is for, as far as that is known. */
  get series(): EdgeSeries {
    return this.#record.route?.app.series ?? this.#client.connection.series ?? this.#context.unnamed;
  }

  // ---- the instance's ----

  /** The instance has said something, be it an interim head or part of one: the request reached it. */
  heard = false;

  /** What came of a head is of no use any more. */
  forgetHead(): void {
    this.#partialHead.clear();
    this.#afterInterim = false;
  }

  /** Bytes before the answer has begun. Returns whether to read on. */
  headBytes(buffer: Buffer, start: number, end: number): boolean {
    this.heard = true;
    if (this.#partialHead.empty) return this.#readHeads(buffer, start, end);
    const complete = this.#partialHead.append(buffer, start, end, this.#context.limits.headSize);
    if (complete === INCOMPLETE) return true;
    if (complete !== COMPLETE) return this.#refuse(complete === TOO_LARGE ? 'head too large' : 'bare CR or LF');
    const bytes = this.#partialHead.take();
    return this.#readHeads(bytes, 0, bytes.length);
  }

  /** Heads in buffer[start,end): interim ones are relayed (RFC 9110 15.2), the final one begins the answer. */
  #readHeads(buffer: Buffer, start: number, end: number): boolean {
    const { headSize, headCount } = this.#context.limits;
    while (start < end) {
      const length = head.parse(buffer, start, end, headSize, headCount, this.#afterInterim);
      if (length === INCOMPLETE) {
        this.#partialHead.begin(buffer, start, end);
        break;
      }
      if (length < 0) return this.#refuse(length === TOO_LARGE ? 'head too large' : head.fault);
      start += length;
      if (head.status === 101) return this.#switchProtocol(buffer, start, end);
      if (head.status >= 200) return this.#begin(buffer, start, end);
      this.#afterInterim = true;
      if (this.#record.minor === 1) this.#client.connection.send(writeInterimHead(head, this.#record.route!));
    }
    return !this.#client.connection.stalled;
  }

  /** The final head, and what has come of the body. */
  #begin(buffer: Buffer, start: number, end: number): boolean {
    const { minor, method, keepAlive, route, id, trailers } = this.#record;
    const framing = head.frame(method);
    this.#dechunk = mustDechunk(framing, minor);
    const onward = this.#dechunk ? Onward.payload : trailers ? Onward.trailers : Onward.chunks;
    this.early = !this.#request.done;
    const { headSize } = this.#context.limits;
    this.body.begin(framing, head.contentLength, headSize, onward, head.connectionOptions, route!.responseDrops);
    const bodyEnd = this.body.push(buffer, start, end);
    if (bodyEnd < 0) return this.#refuse(this.body.fault);
    if (!this.body.done) this.events = lower(joined(head, Id.contentType)).startsWith('text/event-stream');
    this.keepAfter =
      keepAlive && this.#request.done && framing !== Framing.untilClose && !this.#dechunk && !this.#client.leaves();
    const after = !this.keepAfter ? After.close : minor === 1 ? After.silent : After.keepAlive;
    const text = writeResponseHead(head, route!, id, after, minor === 0, trailers);
    this.#attempt.answered(head.status, this.#context.reporter.access !== null);
    this.#counted(head.status);
    this.#reusable = head.keepAlive && bodyEnd === end;
    this.#owner.answerBegun();
    const { connection } = this.#client;
    const { bytes, from, to } = passed;
    if (from === to) connection.send(text);
    else if (bytes !== buffer || to - start > head.text.length - head.length) {
      connection.send(text);
      connection.sendBytes(bytes, from, to);
    } else connection.send(text + head.text.slice(head.length + from - start, head.length + to - start));
    return this.#afterWrite(bodyEnd === end);
  }

  /** More of the body. Returns whether to read on. */
  relay(buffer: Buffer, start: number, end: number): boolean {
    const bodyEnd = this.body.push(buffer, start, end);
    if (bodyEnd < 0) {
      this.#owner.answerFailed(errors.brokeOff, this.body.fault);
      return false;
    }
    const { bytes, from, to } = passed;
    if (to > from) this.#client.connection.sendBytes(bytes, from, to);
    return this.#afterWrite(bodyEnd === end);
  }

  /** @param clean the instance sent nothing after its answer. Returns whether to read on. */
  #afterWrite(clean: boolean): boolean {
    if (this.body.done) {
      this.#owner.answerComplete(clean && this.#reusable);
      return true;
    }
    const instance = this.#attempt.connection!;
    const { stalled } = this.#client.connection;
    instance.deadline = stalled ? Number.POSITIVE_INFINITY : clock.now + this.#context.limits.responseIdleTimeout;
    return !stalled;
  }

  #switchProtocol(buffer: Buffer, start: number, end: number): boolean {
    const { upgrade, route, id } = this.#record;
    const answered = joined(head, Id.upgrade);
    if (!isOffered(answered, upgrade)) return this.#refuse('101 to what was not asked for');
    this.#attempt.answered(101, this.#context.reporter.access !== null);
    this.#counted(101);
    this.#client.connection.send(writeResponseHead(head, route!, id, After.silent, false, false));
    return this.#owner.protocolSwitched(buffer, start, end);
  }

  #refuse(fault: string): false {
    this.#owner.answerFailed(errors.badResponse, fault);
    return false;
  }

  /** Its framing tells that it broke off. Then its client, which still sends, gets what has come: RST would take it away. */
  get showsBreak(): boolean {
    return this.body.framing !== Framing.untilClose && !this.#dechunk;
  }

  /** It ends in the middle. What ends with the connection looks complete after FIN: only RST tells. @param unread nobody takes what is queued. */
  breakOff(unread: boolean): void {
    if (unread || !this.showsBreak) this.#client.connection.reset();
    else this.#client.connection.destroy();
  }

  // ---- the edge's own ----

  sendError(error: EdgeError): void {
    const { route, id, method } = this.#record;
    // After a request that could not be read nothing is certain; out of descriptors, the client's is what is missing.
    this.#decideAfter(error.status !== 400 && error !== errors.exhausted);
    this.#counted(error.status);
    this.#client.connection.send(errorAnswer(error, route, id, this.#connectionField(), method === 'HEAD'));
  }

  /** `force_https`. */
  sendRedirect(location: string): void {
    const { route, id } = this.#record;
    this.#decideAfter(true);
    this.#counted(301);
    this.#client.connection.send(redirectAnswer(location, route!, id, this.#connectionField()));
  }

  /** OPTIONS that may go no further. */
  sendOptions(): void {
    const { route, id } = this.#record;
    this.#decideAfter(true);
    this.#counted(200);
    this.#client.connection.send(optionsAnswer(route!, id, this.#connectionField()));
  }

  #decideAfter(may: boolean): void {
    this.keepAfter = may && this.#record.keepAlive && this.#request.done && !this.#client.leaves();
  }

  #connectionField(): string {
    if (!this.keepAfter) return 'Connection: close\r\n';
    return this.#record.minor === 1 ? '' : 'Connection: keep-alive\r\n';
  }

  #counted(status: number): void {
    this.status = status;
    this.series.responseBegun(status);
  }
}
