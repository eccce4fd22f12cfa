import type { Server } from 'node:http';
import type { Plan } from '../config/plan.ts';
import { processRegistry, renderRegistry } from '../metrics/process.ts';
import { createScrapeServer, type ScrapeOptions } from '../metrics/scrape.ts';
import { bindFault, type ListeningSocket, openListeningSocket } from './listening-socket.ts';
import { version } from './version.ts';

/** The supervisor's HTTP server on a socket that can be handed over. */
export class ScrapeEndpoint {
  readonly #server: Server;
  #socket: ListeningSocket | null = null;

  constructor(options: Omit<ScrapeOptions, 'append'>) {
    const register = processRegistry('fly_supervisor_build_info', version);
    this.#server = createScrapeServer({ ...options, append: () => renderRegistry(register) });
  }

  /** Null before `open`. */
  get socket(): ListeningSocket | null {
    return this.#socket;
  }

  /** Listens where the plan says, or on a socket that is there. @returns null, or why it cannot. */
  async open({ metrics: { host, port } }: Plan, inherited: ListeningSocket | null = null): Promise<string | null> {
    const socket = inherited ?? (await openListeningSocket('metrics', host, port, true));
    if ('fault' in socket) return `[metrics] listen: ${socket.fault}`;
    return new Promise((resolve) => {
      this.#server.once('error', (error) => resolve(`[metrics] listen: ${bindFault(host, port, error)}`));
      this.#server.listen(socket.handle, () => {
        this.#socket = socket;
        resolve(null);
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
