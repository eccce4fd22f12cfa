import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { stalled } from './stalled.ts';

/**
 * Keeps a server's connections within a bound. Who comes when all places are taken gets that of the one who has asked for
 * nothing for longest, else of one that does not read its answer: whoever asks, such as a health check, is heard at once.
 */
export function boundConnections(server: Server, most: number): void {
  /** Those without a request, longest first. */
  const quiet = new Set<Socket>();
  /** Since when the others are being answered, longest first. */
  const asking = new Map<Socket, number>();

  server.on('connection', (socket: Socket) => {
    if (quiet.size + asking.size >= most) {
      const displaced = firstOf(quiet) ?? firstStalled(asking) ?? socket;
      forget(displaced);
      displaced.destroy();
      if (displaced === socket) return;
    }
    quiet.add(socket);
    socket.once('close', () => forget(socket));
  });
  server.on('request', ({ socket }, response) => {
    quiet.delete(socket);
    asking.set(socket, performance.now());
    // A pipeline has seven of its own, and Node warns of more than ten.
    response.setMaxListeners(20);
    response.once('close', () => {
      if (!asking.delete(socket) || socket.destroyed) return;
      quiet.add(socket);
    });
  });

  function forget(socket: Socket): void {
    quiet.delete(socket);
    asking.delete(socket);
  }
}

const firstOf = (sockets: Set<Socket>): Socket | undefined => sockets.values().next().value;

function firstStalled(asking: Map<Socket, number>): Socket | undefined {
  const now = performance.now();
  for (const [socket, since] of asking) if (socket.writableLength > 0 && now - since >= stalled) return socket;
  return undefined;
}
