import { Framing } from '../../../../src/proxy/http/message/framing.ts';
import { findHeadEnd } from '../../../../src/proxy/http/message/head-end.ts';
import { RequestHead } from '../../../../src/proxy/http/message/request-head.ts';
import { ResponseHead } from '../../../../src/proxy/http/message/response-head.ts';
import { ChunkedDecoder } from '../../../../src/proxy/http1/chunked.ts';
import type { Random } from './random.ts';

const MAX_SIZE = 16384;
const MAX_COUNT = 100;

export type Kind = 'request' | 'response';

/** What our parser makes of the first message of some input. */
export interface OurReading {
  verdict: 'accepted' | 'incomplete' | 'refused';
  fault: string;
  /** Where the next message begins; the input's length when the body ends with the connection. */
  end: number;
  framing: Framing;
  bodyBytes: number;
}

/** Reads whole messages as a connection does: head, then body. Keeps its parsers, as a connection does. */
export class Reader {
  readonly request = new RequestHead();
  readonly response = new ResponseHead();
  private readonly chunked = new ChunkedDecoder();

  head(kind: Kind): RequestHead | ResponseHead {
    return kind === 'request' ? this.request : this.response;
  }

  whole(kind: Kind, input: Buffer, method: string): OurReading {
    const head = this.head(kind);
    const code = head.parse(input, 0, input.length, MAX_SIZE, MAX_COUNT);
    return code > 0 ? this.body(kind, input, method, code, [input.length]) : this.noHead(code, head.fault);
  }

  /** The same input in pieces: the first try is made on what came first, later ones once the head's end was seen. */
  split(kind: Kind, input: Buffer, method: string, random: Random): OurReading {
    const cuts: number[] = [];
    for (let at = 0; at < input.length; ) {
      at = Math.min(input.length, at + 1 + random.int(random.chance(30) ? 3 : 60));
      cuts.push(at);
    }
    const head = this.head(kind);
    let code = 0;
    let seen = 0;
    for (const cut of cuts) {
      const found = seen === 0 ? 0 : findHeadEnd(input, seen, cut);
      if (seen === 0 || found !== 0) code = head.parse(input, 0, cut, MAX_SIZE, MAX_COUNT);
      if ((found !== 0 && code === 0) || (code > 0 && found < 0))
        throw new Error(`findHeadEnd ${found}, parse ${code}: ${JSON.stringify(input.latin1Slice(0, cut))}`);
      seen = cut;
      if (code !== 0) break;
    }
    if (code > 0) return this.body(kind, input, method, code, cuts);
    // A bad line in a head that never ends is not findHeadEnd's to see: the last try finds it.
    if (code === 0) code = head.parse(input, 0, input.length, MAX_SIZE, MAX_COUNT);
    return this.noHead(code, head.fault);
  }

  private noHead(code: number, fault: string): OurReading {
    return { verdict: code === 0 ? 'incomplete' : 'refused', fault, end: 0, framing: Framing.none, bodyBytes: 0 };
  }

  private body(kind: Kind, input: Buffer, method: string, start: number, cuts: number[]): OurReading {
    const framing = kind === 'request' ? this.request.framing : this.response.frame(method);
    const left = input.length - start;
    const reading: OurReading = { verdict: 'accepted', fault: '', end: start, framing, bodyBytes: 0 };
    switch (framing) {
      case Framing.none:
        return reading;
      case Framing.length: {
        const length = kind === 'request' ? this.request.contentLength : this.response.contentLength;
        if (length > left) return { ...reading, verdict: 'incomplete' };
        return { ...reading, end: start + length, bodyBytes: length };
      }
      case Framing.untilClose:
        return { ...reading, end: input.length, bodyBytes: left };
      case Framing.chunked:
        return this.chunkedBody(reading, input, cuts);
    }
  }

  private chunkedBody(reading: OurReading, input: Buffer, cuts: number[]): OurReading {
    const { chunked } = this;
    chunked.reset(MAX_SIZE);
    let at = reading.end;
    for (const cut of cuts) {
      if (cut <= at) continue;
      at = chunked.push(input, at, cut);
      if (at < 0) return { ...reading, verdict: 'refused', fault: chunked.fault };
      if (chunked.done) return { ...reading, end: at, bodyBytes: chunked.bytes };
    }
    return { ...reading, verdict: 'incomplete' };
  }
}
