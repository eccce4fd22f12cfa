import { type ListeningSocket, openListeningSocket } from '../base/listening-socket.ts';
import type { Plan } from '../config/plan.ts';

/** The listening sockets of all slots that accept, by `ListenerPlan.key`. */
export class ListeningSockets {
  readonly #sockets = new Map<string, ListeningSocket>();

  get all(): ListeningSocket[] {
    return [...this.#sockets.values()];
  }

  /** Those of a plan. */
  of(plan: Plan): ListeningSocket[] {
    return plan.listeners.flatMap(({ key }) => this.#sockets.get(key) ?? []);
  }

  /** Takes one that another process has opened. */
  adopt(socket: ListeningSocket): void {
    this.#sockets.set(socket.key, socket);
  }

  /** Binds those of a plan that are not there yet. @returns null, or why one cannot be had; then none was added. */
  async open(plan: Plan): Promise<string | null> {
    const added: ListeningSocket[] = [];
    for (const { key, address, port, origin } of plan.listeners) {
      if (this.#sockets.has(key)) continue;
      const socket = await openListeningSocket(key, address, port);
      if ('fault' in socket) {
        for (const { handle } of added) handle.close();
        return origin === undefined ? `--listen: ${socket.fault}` : socket.fault;
      }
      added.push(socket);
    }
    for (const socket of added) this.#sockets.set(socket.key, socket);
    return null;
  }

  /** Closes those that a plan does not have: once its workers have closed theirs, the kernel refuses connections. */
  retain({ listeners }: Plan): void {
    const kept = new Set(listeners.map(({ key }) => key));
    for (const { key, handle } of this.all) {
      if (kept.has(key)) continue;
      handle.close();
      this.#sockets.delete(key);
    }
  }

  close(): void {
    for (const { handle } of this.all) handle.close();
    this.#sockets.clear();
  }
}
