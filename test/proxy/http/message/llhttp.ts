import { createRequire } from 'node:module';

/** Node's own parser, driven directly: the C code that `node:http` calls, strict (no lenient flag). */

interface NativeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | (Error & { code: string });
  finish(): undefined | (Error & { code: string });
  [callback: number]: unknown;
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: (new () => NativeParser) & Record<string, number>;
  methods: string[];
};

/** llhttp numbers QUERY 46, after methods that HTTP doesn't have; the others stand where their number says. */
const methodName = (number: number): string => (number === 46 ? 'QUERY' : methods[number]);

/** The methods that llhttp knows; it refuses all others. */
export const knownMethods: ReadonlySet<string> = new Set(methods);

export interface Reading {
  /** Heads read so far, of which only the first is looked at. */
  heads: number;
  method: string;
  target: string;
  status: number;
  reason: string;
  minor: number;
  /** Names and values in turn. */
  fields: string[];
  keepAlive: boolean;
  upgrade: boolean;
  /** Bytes of the first message's body. */
  bodyBytes: number;
  /** Messages that are complete. */
  complete: number;
  error: string;
}

const nothing = (): Reading => ({
  heads: 0,
  method: '',
  target: '',
  status: 0,
  reason: '',
  minor: 1,
  fields: [],
  keepAlive: false,
  upgrade: false,
  bodyBytes: 0,
  complete: 0,
  error: '',
});

export class Llhttp {
  reading = nothing();
  private early: string[] = [];
  private bodiless = false;
  private readonly parser = new HTTPParser();

  constructor() {
    const { parser } = this;
    parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => {
      if (this.reading.heads > 0) return;
      this.early.push(...fields);
      this.reading.target += target;
    };
    parser[HTTPParser.kOnHeadersComplete] = (
      _major: number,
      minor: number,
      fields: string[] | undefined,
      method: number | undefined,
      target: string | undefined,
      status: number | undefined,
      reason: string | undefined,
      upgrade: boolean,
      keepAlive: boolean,
    ) => {
      const { reading } = this;
      if (reading.heads++ > 0) return 0;
      reading.minor = minor;
      reading.fields = fields ?? this.early;
      reading.method = method === undefined ? '' : methodName(method);
      reading.target ||= target ?? '';
      reading.status = status ?? 0;
      reading.reason = reason ?? '';
      reading.upgrade = upgrade;
      reading.keepAlive = keepAlive;
      return this.bodiless ? 1 : 0;
    };
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      if (this.reading.complete === 0) this.reading.bodyBytes += bytes.length;
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      this.reading.complete++;
    };
  }

  /** Begins a connection. `bodiless`: the response answers HEAD. */
  reset(kind: 'request' | 'response', bodiless: boolean): void {
    this.reading = nothing();
    this.early = [];
    this.bodiless = bodiless;
    const type = kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
    this.parser.initialize(type, {}, 16384, HTTPParser.kLenientNone);
  }

  execute(bytes: Buffer): void {
    if (this.reading.error !== '') return;
    const result = this.parser.execute(bytes);
    if (result instanceof Error) this.reading.error = result.code;
  }

  /** The connection ended. */
  finish(): void {
    if (this.reading.error !== '') return;
    const result = this.parser.finish();
    if (result instanceof Error) this.reading.error = result.code;
  }
}
