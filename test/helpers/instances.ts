/** App instances on loopback: scripted byte by byte, or real servers that count. */

import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { RawSocket } from './raw.ts';
import { until } from './until.ts';

/** A listening instance that a test plays itself: it takes the connections one by one and answers by hand. */
export class RawInstance {
  /** All that were accepted so far. */
  readonly connections: RawSocket[] = [];
  readonly #server: Server;
  #taken = 0;

  private constructor(play: ((connection: RawSocket) => void) | undefined) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new RawSocket(socket);
      this.connections.push(connection);
      play?.(connection);
    });
  }

  /** @param play called with each connection, for an instance that plays by itself. */
  static async start(play?: (connection: RawSocket) => void): Promise<RawInstance> {
    const instance = new RawInstance(play);
    await once(instance.#server.listen(0, '127.0.0.1'), 'listening');
    return instance;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Those that are open, in either direction. */
  get open(): number {
    return this.connections.filter((connection) => !connection.closed).length;
  }

  /** The next connection that the edge makes, or has made and no test has taken. */
  async accept(): Promise<RawSocket> {
    await until(() => this.connections.length > this.#taken, 'a connection from the edge');
    return this.connections[this.#taken++]!;
  }

  /** Takes no more connections; those that it has go on. */
  refuse(): void {
    this.#server.close();
  }

  /** Ends all connections that came so far, and waits until the edge has closed its side: none is pooled any more. */
  async forget(): Promise<void> {
    await until(() => {
      // A retry may bring a new one meanwhile.
      for (const connection of this.connections) if (!connection.closed) connection.end().socket.resume();
      return this.open === 0;
    }, 'the edge to close its connections');
    this.#taken = this.connections.length;
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A Node HTTP server as instance. */
export class HttpInstance {
  /** Requests whose head came. */
  requests = 0;
  /** Connections accepted, and closed. */
  opened = 0;
  closed = 0;
  /** Requests in progress, and the most that ever were at once. */
  inFlight = 0;
  mostInFlight = 0;
  readonly server: HttpServer;

  private constructor(listener: RequestListener) {
    this.server = createHttpServer((request, response) => {
      this.requests++;
      this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
      response.on('close', () => this.inFlight--);
      listener(request, response);
    });
    // Longer than any test: an idle connection that the instance closes is another subject.
    this.server.keepAliveTimeout = 600_000;
    this.server.on('connection', (socket) => {
      this.opened++;
      socket.on('close', () => this.closed++);
    });
  }

  /** @param port 0: any free one. */
  static async start(
    listener: RequestListener = (_request, response) => void response.end('hello\n'),
    port = 0,
  ): Promise<HttpInstance> {
    const instance = new HttpInstance(listener);
    await once(instance.server.listen(port, '127.0.0.1'), 'listening');
    return instance;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}
