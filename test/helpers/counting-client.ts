/** An HTTP/1.1 client that counts: for many requests, where `RawSocket` is for strange ones. */

import { connect, type Socket } from 'node:net';

/** What the clients of one app counted. */
export class Ledger {
  connections = 0;
  /** Bytes of TCP payload, on closed connections. */
  sent = 0;
  received = 0;
  /** Final responses whose head came, by status. */
  readonly statuses: Record<string, number> = {};

  answered(status: number): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
  }

  get responses(): number {
    return Object.values(this.statuses).reduce((sum, count) => sum + count, 0);
  }
}

const statusLine = /^HTTP\/1\.1 (\d{3}) /;

/** One connection. Responses have a length, are chunked without trailers, or have no body. */
export class CountingClient {
  readonly socket: Socket;
  /** Settled once it is closed. */
  readonly closed: Promise<void>;
  /** An answer said `Connection: close`: no further request may be sent here. */
  leaving = false;
  readonly #ledger: Ledger;
  #text = '';
  /** Of each request that has no whole answer yet: whether it was HEAD. */
  readonly #asked: boolean[] = [];
  #counted = false;
  #tunnel = false;
  #waiting: { resolve: () => void; until: () => boolean } | null = null;
  #over = false;

  /** @param to a port of the edge; or a TLS socket, whose connection and bytes somebody below it counts. */
  constructor(ledger: Ledger, to: number | Socket) {
    this.#ledger = ledger;
    this.socket = typeof to === 'number' ? connect({ port: to, host: '127.0.0.1', noDelay: true }) : to;
    const { socket } = this;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#read();
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        if (typeof to === 'number') {
          ledger.connections++;
          ledger.sent += socket.bytesWritten;
          ledger.received += socket.bytesRead;
        }
        this.#over = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Sends requests, one after the other on the wire, and waits until all are answered or the connection is closed. */
  async ask(...requests: string[]): Promise<void> {
    for (const request of requests) this.#asked.push(request.startsWith('HEAD '));
    this.socket.write(requests.join(''), 'latin1');
    await this.#wait(() => this.#asked.length === 0);
  }

  /** After a 101: sends, and waits for so many bytes in return. */
  async exchange(bytes: string, length = bytes.length): Promise<void> {
    this.#text = '';
    this.socket.write(bytes, 'latin1');
    await this.#wait(() => this.#text.length >= length);
  }

  /** FIN, and waits for the other side's. */
  async end(): Promise<void> {
    this.socket.end();
    await this.closed;
  }

  #wait(until: () => boolean): Promise<void> {
    if (until() || this.#over) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting = { resolve, until }));
  }

  #wake(): void {
    if (this.#waiting === null || !(this.#over || this.#waiting.until())) return;
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve();
  }

  #read(): void {
    while (!this.#tunnel && this.#asked.length > 0 && this.#readOne());
    this.#wake();
  }

  /** Whether a whole response was there. */
  #readOne(): boolean {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#text.slice(0, end).toLowerCase();
    const status = Number(statusLine.exec(this.#text)?.[1]);
    if (!this.#counted) this.#ledger.answered(status);
    this.#counted = true;
    if (status === 101) this.#tunnel = true;
    if (head.includes('\r\nconnection: close')) this.leaving = true;
    const length = bodyEnd(
      this.#text,
      end + 4,
      head,
      status < 200 || status === 204 || status === 304 || this.#asked[0]!,
    );
    if (length < 0) return false;
    this.#text = this.#text.slice(length);
    this.#asked.shift();
    this.#counted = false;
    return true;
  }
}

/** Index just past a response's body that begins at `start`; -1 while it is not all there. */
function bodyEnd(text: string, start: number, head: string, none: boolean): number {
  if (none) return start;
  if (head.includes('\r\ntransfer-encoding: chunked')) {
    const end = text.indexOf('0\r\n\r\n', start);
    return end < 0 ? -1 : end + 5;
  }
  const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
  return text.length < start + length ? -1 : start + length;
}
