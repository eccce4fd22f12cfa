/**
 * Some malformed queries end the engine's process, and with it everybody's queries. All whose connection broke are
 * suspects: they are tried again one at a time, while newcomers wait; one that breaks it again, alone, is guilty. One that the engine
 * still worked on when its time was long over is guilty without a trial: nobody waits for its answer, and the engine could not stop it.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome, Sending } from './engine-client.ts';

export interface Suspect {
  /** Sends the query; `head` is called when its answer begins. */
  send: (head: () => void) => Sending;
  /** Whether its text is known to end the engine. */
  condemned: () => boolean;
  /** From now on it is. */
  condemn: () => void;
  /** As `performance.now()` has it. */
  deadline: number;
}

export type Verdict = Exclude<Outcome, 'broken'> | 'guilty';

export interface SuspectsOptions {
  /** Waits for the engine until then; whether it is there. */
  back: (until: number) => Promise<boolean>;
  /** Whether who finds no engine waits for it, since it is started again. */
  restarts: boolean;
  /** How long the engine may take to come back, in ms. */
  patience: number;
}

/** A query whose answer began this long ago does no harm any more: a slow reader must not hold up the trials. */
const harmless = 1_000;
/** How much longer than allowed a query takes in an engine that is about to stop it. */
const overtime = 1_000;

export class Suspects {
  readonly #options: SuspectsOptions;
  /** Queries that the engine works on: their answers have not begun. */
  readonly #running = new Set<Promise<unknown>>();
  /** Trials that wait or run, and the end of the last of them. */
  #trials = 0;
  #last: Promise<void> = Promise.resolve();
  #away = false;

  constructor(options: SuspectsOptions) {
    this.#options = options;
  }

  /** Sends the query, as often as it takes to reach the engine, and again when it is a suspect. */
  async run(suspect: Suspect): Promise<Verdict> {
    for (;;) {
      while (this.#trials > 0) {
        if (this.#away && !this.#options.restarts) return 'refused';
        if (!(await before(this.#last, suspect.deadline))) return 'late';
      }
      if (suspect.condemned()) return 'guilty';
      const outcome = await this.#send(suspect, () => {});
      if (outcome === 'broken') return this.#try(suspect);
      const hopeful = outcome === 'refused' && this.#options.restarts;
      if (!hopeful || !(await this.#back(suspect))) return outcome;
    }
  }

  #try(suspect: Suspect): Promise<Verdict> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.#trials++;
    const verdict = this.#last.then(() => this.#alone(suspect, end)).finally(end);
    this.#last = over.then(() => void this.#trials--);
    return verdict;
  }

  /** @param end called when the next trial may begin. */
  async #alone(suspect: Suspect, end: () => void): Promise<Verdict> {
    if (!(await before(Promise.all(this.#running), suspect.deadline))) return 'late';
    // Another one with the same text may have been tried meanwhile.
    if (suspect.condemned()) return 'guilty';
    this.#away = true;
    const back = await this.#back(suspect);
    this.#away = false;
    if (!back) return performance.now() < suspect.deadline ? 'refused' : 'late';
    let alone = true;
    const outcome = await this.#send(suspect, async () => {
      await delay(harmless);
      alone = false;
      end();
    });
    if (outcome !== 'broken') return outcome;
    if (!alone) return 'answered';
    suspect.condemn();
    return 'guilty';
  }

  #back({ deadline }: Suspect): Promise<boolean> {
    return this.#options.back(Math.min(deadline, performance.now() + this.#options.patience));
  }

  async #send({ send, condemn, deadline }: Suspect, head: () => void): Promise<Outcome> {
    const { promise: working, resolve: over } = Promise.withResolvers<void>();
    this.#running.add(working);
    void working.then(() => this.#running.delete(working));
    let begun = false;
    const { outcome, done } = send(() => {
      begun = true;
      over();
      head();
    });
    void done.then(() => over());
    const how = await outcome;
    if (how === 'late')
      void done.then((end) => {
        if (end === 'broken' && !begun && performance.now() > deadline + overtime) condemn();
      });
    return how;
  }
}

/** Whether it comes before the deadline. */
async function before(awaited: Promise<unknown>, deadline: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()));
  void awaited.then(() => resolve(true));
  const came = await promise;
  clearTimeout(timer);
  return came;
}
