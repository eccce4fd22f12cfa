/** Requests written by hand, a connection each: for what no well-behaved client sends or gets. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { Tally } from './tally.ts';

/** Sends `text` on `requests` connections, `connections` at a time, and reads each to its end. */
export async function exchanges(port: number, requests: number, connections: number, text: string): Promise<Tally> {
  const tally = new Tally();
  let left = requests;
  const client = async () => {
    while (left-- > 0) await exchange(port, text, tally);
  };
  await Promise.all(Array.from({ length: connections }, client));
  return tally;
}

async function exchange(port: number, text: string, tally: Tally): Promise<void> {
  const start = performance.now();
  const socket = connect({ port, host: '127.0.0.1' }).setEncoding('latin1');
  let answer = '';
  socket.on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.setTimeout(30_000, () => socket.destroy());
  socket.write(text);
  await once(socket, 'close');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
  if (status) tally.add(Number(status), performance.now() - start);
  else tally.failures++;
}
