/**
 * The control socket: a unix socket of mode 0600 on which a client sends one JSON line and gets one back.
 * Whoever may open the file may lead the edge; there is no other credential.
 */

import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { internalFault } from './internal-fault.ts';
import type { Status } from './status.ts';

/** What each command answers when it succeeds. */
export interface ControlResults {
  status: { status: Status };
  /** Flips the slots; what changed, a line for each kind of thing. */
  restart: { changes: string[] };
  /** Replaces the supervisor. */
  upgrade: { pid: number; changes: string[] };
  /** Ends the edge; connections that were cut at the drain's deadline. */
  stop: { cut: number };
}
export type Command = keyof ControlResults;

export interface ControlRequest<C extends Command = Command> {
  command: C;
  /** Absolute path of the edge.toml to read, for `restart` and `upgrade`; without it the one that was read before. */
  config?: string;
  /** For `upgrade`: a Node binary and the main file of the program that is to run. */
  program?: [node: string, main: string];
}

export type ControlResponse<C extends Command = Command> =
  | ({ ok: true } & ControlResults[C])
  | { ok: false; reason: string };

const commands: readonly string[] = ['status', 'restart', 'upgrade', 'stop'] satisfies Command[];

/** sockaddr_un.sun_path, less the closing 0 (unix(7)) and `.new`. */
const longestPath = 103;
/** A command is no longer; an answer is as long as the edge is large. */
const longestCommand = 64 * 1024;
/** A client sends its line as soon as it has connected. */
const commandTimeout = 10_000;
/** A supervisor that lives accepts at once; its answer takes as long as the command. */
const connectTimeout = 2_000;

type Handler = (request: ControlRequest) => Promise<ControlResponse>;

export interface ControlSocket {
  /** Settled when no client is left. The file goes too, unless it is another process's by now. */
  close(): Promise<void>;
  /** Whether clients reach this one: no other process has taken the place. */
  readonly reached: boolean;
}

/**
 * Listens on `path`, in the place of a socket that a dead supervisor left.
 * @param takeOver in the place of one that lives, too: clients reach this one from now on.
 * @returns the socket, or why it cannot be had.
 */
export async function openControlSocket(
  path: string,
  handler: Handler,
  takeOver = false,
): Promise<ControlSocket | { fault: string }> {
  const fault = await controlFault(path, takeOver);
  if (fault !== null) return { fault };
  const server = createServer((socket) => serve(socket, handler));
  // Bound beside its place and moved there at once: no client finds nothing when one supervisor takes over from
  // another, and libuv, which removes the path that it bound when it closes, cannot remove the other's.
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  return new Promise((resolve) => {
    server.once('error', (error) => resolve({ fault: `control socket ${path}: ${error.message}` }));
    // The mode is there from the start: chmod after bind would leave a moment in which anyone may connect.
    const umask = process.umask(0o177);
    try {
      server.listen(beside, () => {
        renameSync(beside, path);
        resolve(new Listening(server, path));
      });
    } finally {
      process.umask(umask);
    }
  });
}

class Listening implements ControlSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #inode: number;

  constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
    this.#inode = statSync(path).ino;
  }

  get reached(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  close(): Promise<void> {
    if (this.reached) rmSync(this.#path, { force: true });
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** Makes `path` free to listen on: its directory is there, and a stale socket is not. */
async function controlFault(path: string, takeOver: boolean): Promise<string | null> {
  if (Buffer.byteLength(path) > longestPath) {
    return `control socket ${path}: the path is longer than ${longestPath} bytes; give a shorter one as control in [slots]`;
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return null;
    if (!found.isSocket())
      return `control socket ${path}: a file is there that is not a socket; remove it or give another path`;
    if (takeOver) return null;
    const socket = await connect(path);
    if (!('fault' in socket)) {
      socket.destroy();
      return `control socket ${path}: an edge with this configuration is running already`;
    }
    if (socket.code !== 'ECONNREFUSED') return `control socket ${path}: ${socket.fault}`;
    return null;
  } catch (error) {
    return `control socket ${path}: ${(error as Error).message}`;
  }
}

/** Asks the supervisor that listens on `path`; waits as long as the command takes. */
export async function control<C extends Command>(
  path: string,
  request: ControlRequest<C>,
): Promise<ControlResponse<C>> {
  const socket = await connect(path);
  if ('fault' in socket) {
    const none = socket.code === 'ENOENT' || socket.code === 'ECONNREFUSED';
    return {
      ok: false,
      reason: none ? `no edge is running (control socket ${path})` : `control socket ${path}: ${socket.fault}`,
    };
  }
  socket.write(`${JSON.stringify(request)}\n`);
  const line = await readLine(socket, Number.POSITIVE_INFINITY);
  socket.destroy();
  if (line === null) return { ok: false, reason: 'the edge ended before it answered' };
  return JSON.parse(line) as ControlResponse<C>;
}

async function serve(socket: Socket, handler: Handler): Promise<void> {
  socket.on('error', () => {});
  const timer = setTimeout(() => socket.destroy(), commandTimeout);
  const line = await readLine(socket, longestCommand);
  clearTimeout(timer);
  if (line === null) return void socket.destroy();
  const response = await answer(line, handler);
  socket.end(`${JSON.stringify(response)}\n`);
}

/** Whatever goes wrong with a command is its answer, and never the supervisor's end. */
async function answer(line: string, handler: Handler): Promise<ControlResponse> {
  const request = parse(line);
  if (typeof request === 'string') return { ok: false, reason: request };
  try {
    return await handler(request);
  } catch (error) {
    return { ok: false, reason: internalFault(error) };
  }
}

/** A command, each of its values checked, or why it is none. */
function parse(line: string): ControlRequest | string {
  let request: Partial<Record<keyof ControlRequest, unknown>>;
  try {
    request = JSON.parse(line);
  } catch {
    return 'no such command';
  }
  if (typeof request !== 'object' || request === null) return 'no such command';
  const { command, config, program } = request;
  if (typeof command !== 'string' || !commands.includes(command)) return 'no such command';
  if (config !== undefined && !isPath(config)) return 'config has to be an absolute path';
  if (program !== undefined && !(Array.isArray(program) && program.length === 2 && program.every(isPath)))
    return 'program has to be the absolute paths of a Node binary and of a main file';
  if (command === 'upgrade' && program === undefined) return 'no program';
  return request as ControlRequest;
}

const isPath = (value: unknown): value is string =>
  typeof value === 'string' && isAbsolute(value) && !value.includes('\0');

function connect(path: string): Promise<Socket | { fault: string; code: string | undefined }> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const timer = setTimeout(() => fail(new Error('it does not answer')), connectTimeout);
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ fault: error.message, code: error.code });
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** Up to the first newline; null when the other side ends, breaks or sends more than `longest` characters before. */
function readLine(socket: Socket, longest: number): Promise<string | null> {
  socket.setEncoding('utf8');
  return new Promise((resolve) => {
    const parts: string[] = [];
    let length = 0;
    socket.on('data', (chunk: string) => {
      const end = chunk.indexOf('\n');
      parts.push(end < 0 ? chunk : chunk.slice(0, end));
      length += chunk.length;
      if (end >= 0) resolve(parts.join(''));
      else if (length > longest) resolve(null);
      else return;
      socket.removeAllListeners('data');
    });
    socket.once('error', () => resolve(null));
    socket.once('close', () => resolve(null));
    socket.once('end', () => resolve(null));
  });
}
