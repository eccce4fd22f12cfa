/**
 * The control socket: a unix socket of mode 0600 on which a client sends one JSON line and gets one back.
 * Whoever may open the file may lead the edge; there is no other credential.
 */

import { mkdirSync, statSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Status } from './status.ts';

/** What each command answers when it succeeds. */
export interface ControlResults {
  status: { status: Status };
  /** Flips the slots; what changed, a line for each kind of thing. */
  restart: { changes: string[] };
  /** Ends the edge; connections that were cut at the drain's deadline. */
  stop: { cut: number };
}
export type Command = keyof ControlResults;

export interface ControlRequest<C extends Command = Command> {
  command: C;
  /** Absolute path of the edge.toml to read, for `restart`; without it the one that was read before. */
  config?: string;
}

export type ControlResponse<C extends Command = Command> =
  | ({ ok: true } & ControlResults[C])
  | { ok: false; reason: string };

const commands: readonly string[] = ['status', 'restart', 'stop'] satisfies Command[];

/** sockaddr_un.sun_path, less the closing 0 (unix(7)). */
const longestPath = 107;
const longestLine = 64 * 1024;
/** A supervisor that lives accepts at once; its answer takes as long as the command. */
const connectTimeout = 2_000;

type Handler = (request: ControlRequest) => Promise<ControlResponse>;

/**
 * Listens on `path`, in the place of a socket that a dead supervisor left.
 * @returns the server, or why it cannot be had.
 */
export async function openControlSocket(path: string, handler: Handler): Promise<Server | { fault: string }> {
  const fault = await controlFault(path);
  if (fault !== null) return { fault };
  const server = createServer((socket) => serve(socket, handler));
  return new Promise((resolve) => {
    server.once('error', (error) => resolve({ fault: `control socket ${path}: ${error.message}` }));
    // The mode is there from the start: chmod after bind would leave a moment in which anyone may connect.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => resolve(server));
    } finally {
      process.umask(umask);
    }
  });
}

/** Makes `path` free to listen on: its directory is there, and a stale socket is not. */
async function controlFault(path: string): Promise<string | null> {
  if (Buffer.byteLength(path) > longestPath) {
    return `control socket ${path}: the path is longer than ${longestPath} bytes; give a shorter one as control in [slots]`;
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return null;
    if (!found.isSocket())
      return `control socket ${path}: a file is there that is not a socket; remove it or give another path`;
    const socket = await connect(path);
    if (!('fault' in socket)) {
      socket.destroy();
      return `control socket ${path}: an edge with this configuration is running already`;
    }
    if (socket.code !== 'ECONNREFUSED') return `control socket ${path}: ${socket.fault}`;
    unlinkSync(path);
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
  const line = await readLine(socket);
  socket.destroy();
  if (line === null) return { ok: false, reason: 'the edge ended before it answered' };
  return JSON.parse(line) as ControlResponse<C>;
}

async function serve(socket: Socket, handler: Handler): Promise<void> {
  socket.on('error', () => {});
  const line = await readLine(socket);
  if (line === null) return void socket.destroy();
  const request = parse(line);
  const response: ControlResponse =
    request === null ? { ok: false, reason: 'no such command' } : await handler(request);
  socket.end(`${JSON.stringify(response)}\n`);
}

function parse(line: string): ControlRequest | null {
  try {
    const { command, config } = JSON.parse(line);
    if (!commands.includes(command)) return null;
    return typeof config === 'string' ? { command, config } : { command };
  } catch {
    return null;
  }
}

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

/** Up to the first newline; null when the other side ends, breaks or sends too much before. */
function readLine(socket: Socket): Promise<string | null> {
  socket.setEncoding('utf8');
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > longestLine) resolve(null);
    });
    socket.once('error', () => resolve(null));
    socket.once('close', () => resolve(null));
    socket.once('end', () => resolve(null));
  });
}
