/**
 * The app instance of `npm run load`: a process of its own that counts exactly what it did.
 *
 *   GET / POST /echo   /status/NNN   /slow?MILLISECONDS   /bytes?SIZE   /abort   Upgrade: websocketes bytes
 *
 * It sends its port once it listens, and its counts for each message that it gets over IPC.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface InstanceCounts {
  /** Final responses begun, by status. */
  responses: Record<string, number>;
  /** Connections accepted, and closed. */
  opened: number;
  closed: number;
  /** Bytes of request bodies. */
  bodies: number;
}

const counts: InstanceCounts = { responses: {}, opened: 0, closed: 0, bodies: 0 };

function begin(response: ServerResponse, status: number, length: number): void {
  counts.responses[status] = (counts.responses[status] ?? 0) + 1;
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': length });
}

function answer(request: IncomingMessage, response: ServerResponse, received: Buffer[]): void {
  const [path = '/', query = ''] = request.url!.split('?');
  const send = (status: number, body: string | Buffer) => {
    begin(response, status, Buffer.byteLength(body));
    response.end(body);
  };
  if (path === '/') send(200, 'Hello from the instance\n');
  else if (path === '/echo') send(200, Buffer.concat(received));
  else if (path === '/bytes') send(200, Buffer.alloc(Number(query), 'x'));
  else if (path === '/slow') setTimeout(send, Number(query), 200, 'at last\n');
  else if (path.startsWith('/status/')) send(Number(path.slice(8)), 'as asked\n');
  else if (path === '/abort') {
    begin(response, 200, 1000);
    response.write('x'.repeat(100), () => request.socket.destroy());
  } else send(404, 'no such path\n');
}

const server = createServer((request, response) => {
  const received: Buffer[] = [];
  request.on('data', (chunk: Buffer) => {
    counts.bodies += chunk.length;
    received.push(chunk);
  });
  request.on('end', () => answer(request, response, received));
});
// Longer than a run: an instance that closes an idle connection makes the edge retry, which is another scenario.
server.keepAliveTimeout = 600_000;
server.on('connection', (socket) => {
  counts.opened++;
  socket.on('close', () => counts.closed++);
});
server.on('upgrade', (_request, socket: Socket, head) => {
  counts.responses[101] = (counts.responses[101] ?? 0) + 1;
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  socket.write(head);
  socket.pipe(socket);
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));

process.on('message', () => process.send!(counts));
process.on('disconnect', () => process.exit());
