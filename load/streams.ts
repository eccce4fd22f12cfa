/** Clients that stay: an upgraded connection that echoes for a while, and a download that is read slowly. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Tally } from './tally.ts';

/** One upgraded connection: `messages` round trips, `pause` milliseconds apart, then an orderly end on both sides. */
export async function echo(port: number, host: string, messages: number, pause: number): Promise<Tally> {
  const tally = new Tally();
  const start = performance.now();
  const socket = connect({ port, host: '127.0.0.1' }).setEncoding('latin1');
  let received = '';
  let failed = false;
  const arrived = () => socket.emit('progress');
  socket.on('data', (text: string) => {
    received += text;
    arrived();
  });
  socket.on('error', () => {
    failed = true;
    arrived();
  });
  socket.on('close', arrived);
  socket.write(`GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  const until = async (done: () => boolean) => {
    while (!done() && !failed && !socket.destroyed) await once(socket, 'progress');
    return done();
  };
  const upgraded = await until(() => received.includes('\r\n\r\n'));
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1];
  if (upgraded && status !== undefined) tally.add(Number(status), performance.now() - start);
  received = received.slice(received.indexOf('\r\n\r\n') + 4);
  let sent = '';
  for (let i = 0; i < messages && !failed; i++) {
    const message = `message ${i};`;
    sent += message;
    socket.write(message);
    if (!(await until(() => received.length >= sent.length))) break;
    await delay(pause);
  }
  if (failed || status !== '101' || received !== sent || socket.readableEnded) tally.failures++;
  socket.end();
  if (!socket.closed) await once(socket, 'close');
  return tally;
}

/** One download of `size` bytes, read in steps with `pause` milliseconds between them. */
export async function download(port: number, host: string, size: number, pause: number): Promise<Tally> {
  const tally = new Tally();
  const start = performance.now();
  const socket = connect({ port, host: '127.0.0.1' });
  let received = 0;
  let head = '';
  socket.on('error', () => {});
  socket.write(`GET /bytes?${size} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (!head.includes('\r\n\r\n')) head += chunk.toString('latin1');
    await delay(pause);
  }
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const whole = received - (head.indexOf('\r\n\r\n') + 4) === size;
  if (status !== undefined && whole) tally.add(Number(status), performance.now() - start);
  else tally.failures++;
  return tally;
}
