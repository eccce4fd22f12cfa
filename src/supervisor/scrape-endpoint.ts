import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { bindFault, type ListeningSocket, openListeningSocket } from '../base/listening-socket.ts';
import { version } from '../base/version.ts';
import type { Address } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import type { ScrapeShare } from '../metrics/exposition.ts';
import { processRegistry, renderRegistry } from '../metrics/process.ts';
import { createScrapeServer, type ScrapeOptions } from '../metrics/scrape.ts';
import { reachable } from '../metrics/scrape-config.ts';
import { pageRoute } from '../page/serve.ts';
import type { Volumes } from '../volumes/volumes.ts';
import { forward } from './forward.ts';

/** Milliseconds that a connection may take to be answered by the successor, before this process leaves. */
const longestAnswer = 1_000;

/** The supervisor's HTTP server on a socket that can be handed over. */
export class ScrapeEndpoint {
  readonly #server: Server;
  readonly #volumes: Volumes;
  #socket: ListeningSocket | null = null;
  readonly #connections = new Set<Socket>();
  /** Those that were answered and wait for another request. */
  readonly #idle = new Set<Socket>();
  /** Where another process answers what is asked here from now on. */
  #successor: Address | null = null;

  constructor({ volumes, ...options }: Omit<ScrapeOptions, 'append' | 'page'> & { volumes: Volumes }) {
    const register = processRegistry('fly_supervisor_build_info', version);
    const append = async (share?: ScrapeShare) =>
      (await volumes.page(share)) + (share === undefined || share.unowned ? await renderRegistry(register) : '');
    this.#server = createScrapeServer({
      ...options,
      append,
      page: pageRoute('live'),
      forward: (request, response) => this.#forward(request, response),
    });
    this.#server.on('connection', (socket) => this.#track(socket));
    this.#server.on('request', (request, response) => this.#answering(request.socket, response));
    this.#volumes = volumes;
  }

  /** Null while it does not listen. */
  get socket(): ListeningSocket | null {
    return this.#socket;
  }

  /** Listens where the plan says, or on a socket that is there. @returns null, or why it cannot. */
  async open(
    { metrics: { host, port, origin } }: Plan,
    inherited: ListeningSocket | null = null,
  ): Promise<string | null> {
    const socket = inherited ?? (await openListeningSocket('metrics', host, port, true));
    const named = origin === undefined ? '--metrics' : '[metrics] listen';
    if ('fault' in socket) return `${named}: ${socket.fault}`;
    return new Promise((resolve) => {
      const failed = (error: Error) => resolve(`${named}: ${bindFault(host, port, error)}`);
      this.#server.once('error', failed);
      this.#server.listen(socket.handle, () => {
        this.#server.off('error', failed);
        this.#socket = socket;
        resolve(null);
      });
    });
  }

  /**
   * Leaves the scrapes to another process that has the socket. Those that are being answered are finished; what is asked later
   * on a connection that was accepted here is asked there.
   */
  suspend(): void {
    const { address: host, port } = this.#socket!;
    this.#successor = reachable({ host, port });
    this.#socket = null;
    // Not http.Server's own, which ends connections whose first request is still on its way.
    net.Server.prototype.close.call(this.#server);
    for (const socket of this.#idle) socket.destroy();
  }

  /** After `suspend`, when the other process is gone. */
  resume(plan: Plan): Promise<string | null> {
    this.#successor = null;
    return this.open(plan);
  }

  /** After `suspend`: settled when all who had connected were answered, or have been given the time for it. */
  async left(): Promise<void> {
    const late = AbortSignal.timeout(longestAnswer);
    while (this.#connections.size > 0 && !late.aborted) {
      const [socket] = this.#connections;
      await once(socket!, 'close', { signal: late }).catch(() => {});
    }
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#volumes.close();
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => {
      this.#connections.delete(socket);
      this.#idle.delete(socket);
    });
  }

  #answering(socket: Socket, response: ServerResponse): void {
    this.#idle.delete(socket);
    response.once('close', () => {
      if (this.#successor !== null) socket.destroySoon();
      else if (!socket.destroyed) this.#idle.add(socket);
    });
  }

  #forward(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#successor === null) return false;
    forward(request, response, this.#successor);
    return true;
  }
}
