/** The supervisor's commands, as they come over its control socket. */

import { type ControlRequest, type ControlResponse, type ControlSocket, openControlSocket } from './control.ts';
import type { Status } from './status.ts';

/** What came of a restart: lines that say what changed, or why the slot that served before serves on. */
export type Restarted = { changes: string[] } | { fault: string };
export type Upgraded = { pid: number; changes: string[] } | { fault: string };

export interface Commands {
  readonly status: Status;
  restart(config?: string): Promise<Restarted>;
  upgrade(program: [node: string, main: string], config?: string): Promise<Upgraded>;
  /** @returns the connections that were cut. */
  stop(): Promise<number>;
}

export class CommandSocket {
  readonly #path: string | null;
  readonly #commands: Commands;
  #socket: ControlSocket | null = null;

  /** @param path null: nobody can give commands. */
  constructor(path: string | null, commands: Commands) {
    this.#path = path;
    this.#commands = commands;
  }

  /** @param takeOver in the place of another supervisor. @returns null, or why it cannot listen. */
  async listen(takeOver = false): Promise<string | null> {
    if (this.#path === null) return null;
    const opened = await openControlSocket(this.#path, (request) => this.#answer(request), takeOver);
    if ('fault' in opened) return opened.fault;
    this.#socket = opened;
    return null;
  }

  /** Takes the place back from a supervisor that has failed. @returns null, or why it cannot. */
  async retake(): Promise<string | null> {
    const before = this.#socket;
    if (before === null || before.reached) return null;
    const fault = await this.listen(true);
    void before.close();
    return fault;
  }

  /** Settled when no client is left. */
  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
  }

  async #answer({ command, program, config }: ControlRequest): Promise<ControlResponse> {
    switch (command) {
      case 'status':
        return { ok: true, status: this.#commands.status };
      case 'restart':
        return answer(await this.#commands.restart(config));
      case 'upgrade':
        return answer(await this.#commands.upgrade(program!, config));
      case 'stop':
        return { ok: true, cut: await this.#commands.stop() };
    }
  }
}

const answer = <T extends object>(result: T | { fault: string }): (T & { ok: true }) | { ok: false; reason: string } =>
  'fault' in result ? { ok: false, reason: result.fault as string } : { ok: true, ...(result as T) };
