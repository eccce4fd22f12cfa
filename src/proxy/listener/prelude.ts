import { normalAddress } from '../../base/ip.ts';
import { type Endpoint, parseProxyHeader } from '../../base/proxy-protocol.ts';
import type { Context } from '../context.ts';
import { type EdgeError, errors } from '../errors.ts';
import { report } from '../report.ts';
import { Handshake } from '../tls/handshake.ts';
import type { ClientConnection, Protocol } from '../transport/client-connection.ts';
import { clock } from '../transport/clock.ts';
import { Lingering } from '../transport/lingering.ts';
import type { Listener } from './listener.ts';
import { PgPrelude } from './pg.ts';

const State = { proxyHeader: 'proxyHeader', postgres: 'postgres', over: 'over' } as const;
type State = (typeof State)[keyof typeof State];

const normal = ({ address, port }: Endpoint): Endpoint => ({ address: normalAddress(address) ?? address, port });

/** What comes before the protocol proper: a PROXY header, PostgreSQL's request for TLS, or both in this order. */
export class Prelude implements Protocol {
  readonly #connection: ClientConnection;
  readonly #listener: Listener;
  readonly #context: Context;
  readonly #required: boolean;
  readonly #postgres = new PgPrelude();
  #state: State;
  #bytes = Buffer.alloc(0);

  constructor(
    connection: ClientConnection,
    listener: Listener,
    context: Context,
    proxyProtocol: 'off' | 'optional' | 'required',
  ) {
    this.#connection = connection;
    this.#listener = listener;
    this.#context = context;
    this.#required = proxyProtocol === 'required';
    this.#state = proxyProtocol === 'off' ? State.postgres : State.proxyHeader;
    connection.deadline = clock.now + context.limits.preludeTimeout;
    // A raw port is one app's: its connections are known before they say a word.
    if (listener.plan.wire === 'raw') connection.name(listener.only!.app.series);
    if (connection.gone) this.#state = State.over;
    else if (this.#required && !connection.trusted) this.#refuse(errors.proxyHeader, 'not a trusted proxy');
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    this.#bytes = Buffer.concat([this.#bytes, buffer.subarray(start, end)]);
    if (this.#state === State.proxyHeader) this.#readProxyHeader();
    if (this.#state === State.postgres) this.#readPostgres();
    // Who took over has said whether to read on.
    return this.#state !== State.over || !this.#connection.paused;
  }

  #readProxyHeader(): void {
    const header = parseProxyHeader(this.#bytes, this.#bytes.length);
    switch (header.state) {
      case 'incomplete':
        return;
      case 'refused':
        this.#refuse(errors.proxyHeader, header.reason);
        return;
      case 'none':
        if (this.#required) this.#refuse(errors.proxyHeader, 'missing');
        else this.#next();
        return;
      default:
        if (header.source !== null) this.#named(header.source);
        if (header.destination !== null) this.#connection.local = normal(header.destination);
        this.#bytes = this.#bytes.subarray(header.length);
        this.#next();
    }
  }

  /** From here on the client speaks, not who delivered it: trust goes by its address. */
  #named(source: Endpoint): void {
    const connection = this.#connection;
    connection.client = normal(source);
    connection.trusted = this.#context.trusted.has(connection.client.address);
  }

  #next(): void {
    if (this.#listener.plan.wire === 'pg_tls') {
      this.#state = State.postgres;
      return;
    }
    this.#state = State.over;
    this.#listener.speak(this.#connection, this.#bytes);
  }

  #readPostgres(): void {
    for (;;) {
      const step = this.#postgres.push(this.#bytes, this.#bytes.length);
      switch (step.state) {
        case 'incomplete':
          return;
        case 'answer':
          this.#connection.sendBytes(step.bytes, 0, step.bytes.length);
          this.#bytes = this.#bytes.subarray(step.consumed);
          break;
        case 'tls': {
          this.#state = State.over;
          const early = this.#bytes.subarray(step.consumed);
          const handshake = new Handshake(this.#connection, this.#listener, this.#context, step.direct);
          this.#connection.protocol = handshake;
          if (early.length > 0) handshake.onBytes(early, 0, early.length);
          return;
        }
        default:
          if (step.bytes.length > 0) this.#connection.sendBytes(step.bytes, 0, step.bytes.length);
          this.#refuse(errors.pgRequest, step.reason);
          return;
      }
    }
  }

  onEnd(): void {
    if (this.#cutOff()) this.#refuse(errors.proxyHeader, 'cut off');
    else this.#connection.destroy();
  }

  onDrain(): void {}
  onClose(): void {
    if (this.#cutOff() && !this.#connection.cut) this.#failed(errors.proxyHeader, 'cut off');
    this.#state = State.over;
  }

  /** A header has begun and will not end. Who says nothing at all is a balancer's health check. */
  #cutOff(): boolean {
    return this.#state === State.proxyHeader && this.#bytes.length > 0;
  }

  expire(): void {
    // A health check of a balancer in front connects and says nothing.
    if (this.#bytes.length === 0 && !this.#required) this.#connection.destroy();
    else this.#refuse(this.#state === State.postgres ? errors.pgRequest : errors.proxyHeader, 'too slow');
  }

  drain(): void {}

  #refuse(error: EdgeError, detail: string): void {
    this.#state = State.over;
    this.#failed(error, detail);
    Lingering.begin(this.#connection);
  }

  #failed(error: EdgeError, detail: string): void {
    const series = this.#listener.only?.app.series ?? this.#context.unnamed;
    if (this.#listener.only !== null) this.#connection.name(series);
    report(error, series, this.#context.reporter, { detail });
  }
}
