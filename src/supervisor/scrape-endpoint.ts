import type { Server } from 'node:http';
import type { Plan } from '../config/plan.ts';
import type { PageScope } from '../metrics/exposition.ts';
import { processRegistry, renderRegistry } from '../metrics/process.ts';
import { createScrapeServer, type ScrapeOptions } from '../metrics/scrape.ts';
import { pageRoute } from '../page/serve.ts';
import type { Volumes } from '../volumes/volumes.ts';
import { bindFault, type ListeningSocket, openListeningSocket } from './listening-socket.ts';
import { version } from './version.ts';

/** The supervisor's HTTP server on a socket that can be handed over. */
export class ScrapeEndpoint {
  readonly #server: Server;
  readonly #volumes: Volumes;
  #socket: ListeningSocket | null = null;
  #idle: NodeJS.Timeout | undefined;

  constructor({ volumes, ...options }: Omit<ScrapeOptions, 'append' | 'page'> & { volumes: Volumes }) {
    const register = processRegistry('fly_supervisor_build_info', version);
    const append = async (scope?: PageScope) =>
      (await volumes.page(scope)) + (scope === undefined || scope.unowned ? await renderRegistry(register) : '');
    this.#server = createScrapeServer({ ...options, append, page: pageRoute('live') });
    this.#volumes = volumes;
  }

  /** Null while it does not listen. */
  get socket(): ListeningSocket | null {
    return this.#socket;
  }

  /** Listens where the plan says, or on a socket that is there. @returns null, or why it cannot. */
  async open({ metrics: { host, port } }: Plan, inherited: ListeningSocket | null = null): Promise<string | null> {
    const socket = inherited ?? (await openListeningSocket('metrics', host, port, true));
    if ('fault' in socket) return `[metrics] listen: ${socket.fault}`;
    return new Promise((resolve) => {
      const failed = (error: Error) => resolve(`[metrics] listen: ${bindFault(host, port, error)}`);
      this.#server.once('error', failed);
      this.#server.listen(socket.handle, () => {
        this.#server.off('error', failed);
        this.#socket = socket;
        resolve(null);
      });
    });
  }

  /** Leaves the scrapes to another process that has the socket; those that are being answered are finished. */
  suspend(): void {
    this.#server.close();
    this.#socket = null;
    // A scraper that kept its connection would go on reading values that grow elsewhere.
    this.#idle = setInterval(() => this.#server.closeIdleConnections(), 10);
  }

  /** After `suspend`, when the other process is gone. */
  resume(plan: Plan): Promise<string | null> {
    clearInterval(this.#idle);
    return this.open(plan);
  }

  close(): void {
    clearInterval(this.#idle);
    this.#server.close();
    this.#server.closeAllConnections();
    this.#volumes.close();
  }
}
