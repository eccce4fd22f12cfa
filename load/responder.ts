/**
 * The instance behind each peer of the bench: a raw socket that answers with as little work as possible, so that
 * it is never what is measured. Not a server for anything else: it trusts what peers send it.
 *
 *   node load/responder.ts PORT      GET /, POST /: a small answer; GET /big: 1 MiB
 */

import { createServer, type Socket } from 'node:net';

const answer = (body: Buffer, connection: string) => {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${connection}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
};
const bodies = { small: Buffer.from('Hello from the instance\n'), big: Buffer.alloc(1 << 20, 'x') };
const small = { kept: answer(bodies.small, ''), last: answer(bodies.small, 'Connection: close\r\n') };
const big = { kept: answer(bodies.big, ''), last: answer(bodies.big, 'Connection: close\r\n') };

function serve(socket: Socket): void {
  let pending = '';
  /** Bytes of the current request's body that are still to come; -1: chunked, up to its last chunk. */
  let body = 0;
  let reply = small;
  let last = false;

  const finish = () => {
    if (last) socket.end(reply.last);
    else socket.write(reply.kept);
  };

  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1');
    while (pending !== '') {
      if (body > 0) {
        const taken = Math.min(body, pending.length);
        pending = pending.slice(taken);
        if ((body -= taken) === 0) finish();
        continue;
      }
      if (body < 0) {
        const end = pending.indexOf('0\r\n\r\n');
        if (end < 0) return;
        pending = pending.slice(end + 5);
        body = 0;
        finish();
        continue;
      }
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = pending.slice(0, end);
      pending = pending.slice(end + 4);
      reply = head.startsWith('GET /big ') ? big : small;
      last = /\nconnection: *close/i.test(head);
      if (head.startsWith('POST')) {
        const length = /\ncontent-length: *(\d+)/i.exec(head);
        body = length ? Number(length[1]) : -1;
      }
      if (body === 0) finish();
    }
  });
}

createServer(serve).listen(Number(process.argv[2]), '127.0.0.1');
