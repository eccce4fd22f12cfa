/** Instance series at `/metrics`, and how the app ended, when the agent runs it. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { bindFault } from '../base/listening-socket.ts';
import type { Address } from '../config/address.ts';
import type { End } from './app.ts';
import { Audience } from './audience.ts';
import { Collector, type CollectorOptions } from './collector.ts';
import { family, type Page } from './page.ts';
import { createAgentServer } from './server.ts';

const exitCode = family('exit_code');
const exitOom = family('exit_oom');

/** Milliseconds that an answer may take whose agent is about to leave. */
const longestAnswer = 1000;

export class Agent {
  readonly #server: Server;
  readonly #audience = new Audience();
  readonly #reported = Promise.withResolvers<void>();
  #end: End | null = null;

  private constructor(options: CollectorOptions, hosts: readonly string[]) {
    const collector = new Collector(options);
    this.#server = createAgentServer({
      hosts,
      page: () => collector.collect((page) => this.#write(page)),
      scraped: (page, client) => {
        const now = performance.now();
        this.#audience.scraped(client, page.includes('\nfly_instance_exit_code '), now);
        if (this.#end !== null && this.#audience.knows(now)) this.#reported.resolve();
      },
    });
  }

  /**
   * Settled when it listens; the fault is a sentence for the operator.
   * @param hosts names that it is asked by, besides addresses and the machine's own.
   */
  static async start(
    { host, port }: Address,
    options: CollectorOptions,
    hosts: readonly string[] = [],
  ): Promise<Agent | { fault: string }> {
    const agent = new Agent(options, hosts);
    try {
      await once(agent.#server.listen({ host, port, exclusive: true }), 'listening');
    } catch (error) {
      return { fault: bindFault(host, port, error as NodeJS.ErrnoException) };
    }
    return agent;
  }

  /**
   * Exposes how the app ended.
   * @returns settled once the scrapers know.
   */
  report(end: End): Promise<void> {
    this.#end = end;
    return this.#reported.promise;
  }

  /** Stops listening. Those who are being answered have a short while for the rest. */
  async finish(): Promise<void> {
    const closed = once(this.#server, 'close');
    // Who has asked already is accepted in one turn of the event loop, and read in the next; only then is idle who is silent.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
    this.#server.close();
    const late = setTimeout(() => this.#server.closeAllConnections(), longestAnswer);
    await closed;
    clearTimeout(late);
  }

  #write(page: Page): void {
    if (this.#end === null) return;
    page.add(exitCode, String(this.#end.code));
    page.add(exitOom, this.#end.oom ? '1' : '0');
  }
}
