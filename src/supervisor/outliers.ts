/**
 * Outlier detection: an instance that fails one request after the other, whatever its service checks say, gets none for
 * a while. It comes back by a trial, one request at a time in each worker, and each further time the pause is twice as
 * long. All workers of all slots report what they see here and hear what follows from it.
 *
 * Bounds: at most a share of a service's instances is out, and never the last that is healthy. Where all fail, all serve.
 */

import type { Limits, Plan } from '../config/plan.ts';
import type { Ejection, Ejections } from '../ipc/messages.ts';
import type { Log } from '../log/log.ts';
import { addressesOf } from './instances.ts';

/** What one supervisor knows of an instance that has been ejected, for the one that replaces it. */
export interface Ejected {
  key: string;
  address: string;
  state: Ejection;
  pauses: number;
  /** Milliseconds: the length of the last pause, and what is left of it. */
  pause: number;
  left: number;
}

/** A failure that nothing followed for so long (milliseconds) says nothing any more. */
const memory = 30_000;

interface Instance {
  readonly key: string;
  readonly address: string;
  readonly app: string;
  readonly instance: string;
  /** Those of its service, itself included. */
  readonly peers: Instance[];
  state: Ejection;
  /** Failures in a row, by worker. */
  streaks: Map<number, { failures: number; at: number }>;
  /** Pauses in a row, and when the last one was over. */
  pauses: number;
  backAt: number;
  /** Length of the last one. */
  pause: number;
  /** When the present pause is over. */
  until: number;
  timer: NodeJS.Timeout | null;
}

export class Outliers {
  /** Whether an upstream's service checks pass; set by who knows. */
  checked: (key: string) => boolean = () => true;
  readonly #log: Log;
  readonly #tell: (upstreams: Ejections) => void;
  #instances = new Map<string, Instance>();
  #limits: Limits | null = null;
  /** By key, what a supervisor before this one has found. */
  #inherited = new Map<string, Ejected>();

  /** @param tell all workers. */
  constructor(log: Log, tell: (upstreams: Ejections) => void) {
    this.#log = log;
    this.#tell = tell;
  }

  /** From now on this plan's instances and limits count; one that has another address is another one. */
  plan(plan: Plan): void {
    const before = this.#instances;
    const addresses = addressesOf(plan);
    this.#limits = plan.limits;
    this.#instances = new Map();
    for (const { name: app, services } of plan.apps)
      for (const { upstreams } of services) {
        const peers: Instance[] = [];
        for (const { key, instance } of upstreams) {
          const address = addresses.get(key)!;
          const known = before.get(key);
          const same = known?.address === address && this.#on ? known : undefined;
          if (same !== undefined) before.delete(key);
          const state = {
            state: 'in' as Ejection,
            streaks: new Map(),
            pauses: 0,
            backAt: 0,
            pause: 0,
            until: 0,
            timer: null,
          };
          const made: Instance = Object.assign(same ?? { key, ...state }, { key, address, app, instance, peers });
          peers.push(made);
          this.#instances.set(key, made);
        }
      }
    for (const gone of before.values()) if (gone.state !== 'in') this.#back(gone);
    for (const found of this.#inherited.values()) this.#resume(found);
    this.#inherited.clear();
    this.reconsider();
  }

  /** What the supervisor before this one has found holds for the plan that comes next. */
  inherit(found: readonly Ejected[]): void {
    this.#inherited = new Map(found.map((each) => [each.key, each]));
  }

  /** For the supervisor that replaces this one. */
  get found(): Ejected[] {
    return [...this.#instances.values()].flatMap(({ key, address, state, pauses, pause }) =>
      pauses === 0 ? [] : [{ key, address, state, pauses, pause, left: this.pauseLeft(key) }],
    );
  }

  /** Failures in a row that a worker saw; 0: one went well. */
  report(worker: number, key: string, address: string, failures: number): void {
    const one = this.#instances.get(key);
    if (one === undefined || one.address !== address || one.state === 'out' || !this.#on) return;
    if (one.state === 'trial') {
      if (failures === 0) this.#back(one);
      else this.#eject(one);
      return;
    }
    const now = performance.now();
    if (failures === 0) one.streaks.delete(worker);
    else one.streaks.set(worker, { failures, at: now });
    let inRow = 0;
    for (const [id, { failures, at }] of one.streaks) {
      if (now - at > memory) one.streaks.delete(id);
      else inRow += failures;
    }
    // Who has just come back, and fails again, has not recovered: a head is a trial's success, what follows may not be.
    const most = one.pauses > 0 && now - one.backAt < one.pause ? 1 : this.#limits!.ejectFailures;
    if (inRow >= most && this.#mayGo(one)) this.#eject(one);
  }

  /** The health of some has changed: nobody is out where nobody else is left. */
  reconsider(): void {
    for (const one of this.#instances.values())
      if (one.state !== 'in' && !this.#others(one)) {
        this.#back(one);
      }
  }

  state(key: string): Ejection {
    return this.#instances.get(key)?.state ?? 'in';
  }

  /** Milliseconds until its trial; 0 when it is not out. */
  pauseLeft(key: string): number {
    const one = this.#instances.get(key);
    return one?.state === 'out' ? Math.max(0, one.until - performance.now()) : 0;
  }

  /** Those that are out or on trial, for a worker that starts. */
  get all(): Ejections {
    return [...this.#instances.values()].flatMap(
      ({ key, address, state }): Ejections => (state === 'in' ? [] : [[key, address, state]]),
    );
  }

  close(): void {
    for (const { timer } of this.#instances.values()) if (timer !== null) clearTimeout(timer);
  }

  get #on(): boolean {
    return this.#limits !== null && this.#limits.ejectFailures > 0;
  }

  /** Another one that is healthy serves. */
  #others(one: Instance): boolean {
    return one.peers.some((peer) => peer !== one && peer.state === 'in' && this.checked(peer.key));
  }

  #mayGo(one: Instance): boolean {
    const out = one.peers.filter(({ state }) => state !== 'in').length;
    const most = Math.max(1, Math.floor((one.peers.length * this.#limits!.ejectShare) / 100));
    return out < most && this.#others(one);
  }

  #eject(one: Instance): void {
    const { ejectPause, ejectPauseMost } = this.#limits!;
    const now = performance.now();
    if (one.state === 'in' && now - one.backAt > ejectPauseMost) one.pauses = 0;
    const pause = Math.min(ejectPauseMost, ejectPause * 2 ** Math.min(one.pauses++, 30));
    one.pause = pause;
    this.#pause(one, pause);
    const { app, instance } = one;
    this.#log.warn({ app, instance, pause }, 'instance fails each request and is ejected');
  }

  #pause(one: Instance, length: number): void {
    one.until = performance.now() + length;
    one.timer = setTimeout(() => this.#try(one), length);
    this.#set(one, 'out');
  }

  #resume({ key, address, state, pauses, pause, left }: Ejected): void {
    const one = this.#instances.get(key);
    if (one?.address !== address || !this.#on) return;
    Object.assign(one, { pauses, pause, backAt: performance.now() });
    if (state === 'out') this.#pause(one, left);
    else if (state === 'trial') this.#try(one);
  }

  #try(one: Instance): void {
    one.timer = null;
    this.#set(one, 'trial');
  }

  #back(one: Instance): void {
    if (one.timer !== null) clearTimeout(one.timer);
    one.timer = null;
    one.backAt = performance.now();
    this.#set(one, 'in');
    const { app, instance } = one;
    this.#log.info({ app, instance }, 'instance is no longer ejected');
  }

  #set(one: Instance, state: Ejection): void {
    one.state = state;
    one.streaks.clear();
    this.#tell([[one.key, one.address, state]]);
  }
}
