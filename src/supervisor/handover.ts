/** Hands the edge over to another supervisor, which runs another version of this program. */

import type { ListeningSocket } from '../base/listening-socket.ts';
import { protocol } from '../base/protocol.ts';
import { version } from '../base/version.ts';
import type { Log } from '../log/log.ts';
import type { CommandSocket, Upgraded } from './commands.ts';
import type { Configuration } from './configuration.ts';
import type { Hub } from './hub.ts';
import { internalFault } from './internal-fault.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { ScrapeEndpoint } from './scrape-endpoint.ts';
import { other, type Slots } from './slots.ts';
import type { Begin, ToPredecessor } from './succession.ts';
import { Successor } from './successor.ts';

export interface HandoverParts {
  log: Log;
  hub: Hub;
  sockets: ListeningSockets;
  slots: Slots;
  scrape: ScrapeEndpoint;
  commands: CommandSocket;
  configuration: Configuration;
  /** Why no other may replace this one; null when one may. */
  irreplaceable: string | null;
  /** Called once the successor leads: this supervisor is to drain, and to leave after `finish`. */
  leave: () => void;
}

/**
 * leading   this supervisor leads; a successor may be starting
 * relaying  the successor leads; what drains here is passed on to it
 */
type State = 'leading' | 'relaying';

/** With room for replacements of workers that die meanwhile. */
const workersMeanwhile = 1_000_000;

export class Handover {
  readonly #parts: HandoverParts;
  #successor: Successor | null = null;
  #state: State = 'leading';

  constructor(parts: HandoverParts) {
    this.#parts = parts;
  }

  /** While a slot serves. @param program a Node binary and a main file. @param config for it; null: there is none. */
  async begin(program: [node: string, main: string], config: string | null): Promise<Upgraded> {
    const { log, slots, irreplaceable } = this.#parts;
    const colour = other(slots.serving!.colour);
    if (irreplaceable !== null) return slots.failed(colour, 'refused', irreplaceable);
    if (config === null) return slots.failed(colour, 'refused', 'an edge without a configuration file is not upgraded');
    if (process.pid === 1) {
      const fault = 'the supervisor cannot be replaced: its end, as process 1, would end the container';
      return slots.failed(colour, 'refused', fault);
    }
    const successor = new Successor(program, config, (message) => void this.#hear(message));
    this.#successor = successor;
    // Whatever is thrown on the way, it does not lead yet, and what it was given is taken back.
    const serving = await this.#succeed(successor).catch(internalFault);
    if (typeof serving !== 'string') {
      this.#follow();
      log.info({ successor: serving.pid }, 'another supervisor has taken over');
      return serving;
    }
    await successor.kill();
    this.#successor = null;
    if (!slots.closed) await this.#takeBack();
    return slots.failed(colour, 'failed', serving);
  }

  /** The edge ends here, whoever is starting. */
  abort(): void {
    void this.#successor?.kill();
  }

  /** The successor shows the slots that drain here as its own. */
  tellSlots(): void {
    if (this.#state === 'leading') return;
    const slots = this.#parts.slots.generations.statuses.filter(({ state }) => state !== 'ended');
    this.#successor?.send({ type: 'slots', slots });
  }

  /** After all have drained: settled when the successor has their last counts, and the last scrape its answer. */
  async finish(): Promise<void> {
    const { slots, scrape } = this.#parts;
    for (const each of Object.values(slots.series)) await each.flush();
    this.#successor?.send({ type: 'done' });
    await this.#successor?.released;
    await scrape.left();
  }

  /** Leads a successor to the moment from which it leads. @returns what it tells then, or why it never will. */
  async #succeed(successor: Successor): Promise<{ pid: number; changes: string[] } | string> {
    const { hub, sockets, slots, scrape, configuration } = this.#parts;
    const loaded = await successor.reached('loaded', configuration.plan.slots.readyTimeout);
    if (typeof loaded === 'string') return loaded;
    successor.send(this.#beginning());
    for (const { key, handle } of [...sockets.all, scrape.socket!]) successor.send({ type: 'socket', key }, handle);
    const ready = await successor.reached('ready', loaded.timeout);
    if (typeof ready === 'string') return ready;
    // From here on scrapes wait for the successor, so that none sees less than one before.
    scrape.suspend();
    for (const each of Object.values(slots.series)) {
      each.over = true;
      await each.flush();
    }
    successor.send(hub.handOver((message) => successor.send(message)));
    const serving = await successor.reached('serving', loaded.timeout);
    return typeof serving === 'string' ? serving : { pid: serving.pid, changes: serving.changes };
  }

  /** The successor leads: there is no way back, whatever one of these throws. */
  #follow(): void {
    const { log, hub, commands, leave } = this.#parts;
    this.#state = 'relaying';
    for (const step of [() => hub.relay(), () => void commands.close(), leave]) {
      try {
        step();
      } catch (error) {
        log.error({ err: error }, 'the old supervisor failed at its leaving');
      }
    }
  }

  #beginning(): Begin {
    const { hub, sockets, slots, scrape, configuration } = this.#parts;
    const { colour, plan } = slots.serving!;
    const name = ({ key, address, port }: ListeningSocket) => ({ key, address, port });
    return {
      type: 'begin',
      protocol,
      version,
      plan,
      colour,
      generation: slots.generation,
      generations: { blue: slots.series.blue.generation, green: slots.series.green.generation },
      lastWorker: hub.lastWorker + workersMeanwhile,
      ticketKeys: slots.ticketKeys,
      ticketKeysSince: slots.ticketKeysSince,
      orgOf: configuration.owners,
      sockets: sockets.all.map(name),
      metrics: name(scrape.socket!),
    };
  }

  /** The successor has failed: takes back what it may have got. */
  async #takeBack(): Promise<void> {
    const { log, hub, slots, scrape, commands, configuration } = this.#parts;
    hub.keep();
    for (const each of Object.values(slots.series)) each.over = false;
    const unscraped = scrape.socket === null ? await scrape.resume(configuration.plan) : null;
    for (const reason of [unscraped, await commands.retake()])
      if (reason !== null) log.error({ reason }, 'what the failed upgrade had taken cannot be taken back');
  }

  async #hear(message: ToPredecessor): Promise<void> {
    // Until it serves it has nothing to say about what runs here.
    if (this.#state === 'leading' && message.type !== 'flush') return;
    const { hub, slots } = this.#parts;
    switch (message.type) {
      case 'worker':
        hub.deliver(message.worker, message.message);
        break;
      case 'health':
        slots.generations.learn(message.found);
        break;
      case 'flush':
        await hub.flush();
        this.#successor?.send({ type: 'flushed', id: message.id });
        break;
      case 'hurry':
        slots.generations.hurry(message.generations);
        break;
      case 'stop':
        void slots.drainAll(false);
        break;
      case 'kill':
        slots.generations.kill();
        break;
    }
  }
}
