/** A socket by hand, at either end: every byte that is sent or came is the test's. */

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import { until } from './until.ts';

export interface RawResponse {
  status: number;
  /** Status line and fields, without the empty line. */
  head: string;
  /** By name in lower case; a repeated field's values are joined with `, `. */
  fields: Record<string, string>;
  /** As on the wire: of a chunked body with its framing. */
  body: string;
}

export class RawSocket {
  readonly socket: Socket;
  /** What came and was not taken yet, latin1. */
  text = '';
  /** How the peer ended its side: FIN, RST (or another failure), or not yet. */
  ended: 'no' | 'fin' | 'reset' = 'no';
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1')));
    socket.on('end', () => (this.ended = 'fin'));
    socket.on('error', () => (this.ended = 'reset'));
    socket.on('close', () => (this.closed = true));
  }

  /** Latin1 text or bytes. */
  send(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** FIN; the other direction stays open. */
  end(): this {
    this.socket.end();
    return this;
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Waits for text; returns and takes what came through its end. */
  async through(part: string): Promise<string> {
    await this.#wait(() => this.text.includes(part), `"${part}"`);
    return this.take(this.text.indexOf(part) + part.length);
  }

  /** Waits for `length` bytes, and takes them. */
  async bytes(length: number): Promise<string> {
    await this.#wait(() => this.text.length >= length, `${length} bytes`);
    return this.take(length);
  }

  /** Takes what is there. */
  take(length = this.text.length): string {
    const taken = this.text.slice(0, length);
    this.text = this.text.slice(length);
    return taken;
  }

  /** Waits until the peer has ended its side; returns how, and leaves what came before in `text`. */
  async peerEnd(): Promise<'fin' | 'reset'> {
    await until(() => this.ended !== 'no', `the peer's end, after ${JSON.stringify(this.text.slice(0, 200))}`);
    return this.ended as 'fin' | 'reset';
  }

  /** A head through its empty line. */
  head(): Promise<string> {
    return this.through('\r\n\r\n');
  }

  /** The next response, interim ones included; `method` is that of its request. */
  async response(method = 'GET'): Promise<RawResponse> {
    const head = (await this.head()).slice(0, -4);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (Number.isNaN(status)) throw new Error(`not a response: ${head}`);
    const fields = fieldsOf(head);
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    return { status, head, fields, body: bodiless ? '' : await this.#body(fields) };
  }

  async #body(fields: Record<string, string>): Promise<string> {
    if (fields['content-length'] !== undefined) return this.bytes(Number(fields['content-length']));
    if (fields['transfer-encoding'] === undefined) {
      await this.peerEnd();
      return this.take();
    }
    let body = '';
    for (;;) {
      const line = await this.through('\r\n');
      body += line;
      const size = Number.parseInt(line, 16);
      if (size === 0) break;
      body += await this.bytes(size + 2);
    }
    for (;;) {
      const line = await this.through('\r\n');
      body += line;
      if (line === '\r\n') return body;
    }
  }

  async #wait(condition: () => boolean, what: string): Promise<void> {
    await until(() => condition() || this.ended !== 'no', `${what} in ${JSON.stringify(this.text.slice(0, 400))}`);
    if (condition()) return;
    throw new Error(`${what} never came: ${this.ended} after ${JSON.stringify(this.text.slice(0, 400))}`);
  }
}

/** Fields of a head by name in lower case; a repeated field's values are joined with `, `. */
export function fieldsOf(head: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

/** Connects to a loopback port; destroyed with the test. `tls`: a handshake without checks of the certificate. */
export async function rawClient(port: number, tls?: ConnectionOptions): Promise<RawSocket> {
  const to = { port, host: '127.0.0.1', allowHalfOpen: true };
  const socket = tls ? connectTls({ ...to, rejectUnauthorized: false, ...tls }) : connect(to);
  onTestFinished(() => void socket.destroy());
  const raw = new RawSocket(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once(tls ? 'secureConnect' : 'connect', resolve);
    // A peer that accepts and resets at once may be seen as a connect that was reset.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (!tls && error.code === 'ECONNRESET') resolve();
      else reject(error);
    });
  });
  return raw;
}
