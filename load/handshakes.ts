/**
 * A full TLS handshake per request, which wrk cannot do: it resumes its sessions.
 *
 *   node load/handshakes.ts PORT SECONDS CONNECTIONS      prints { requests, rate, p50, p99, fault } as JSON
 */

import { connect } from 'node:tls';
import { build } from 'hdr-histogram-js';
import type { Result } from './generator.ts';

const [port, seconds, connections] = process.argv.slice(2).map(Number) as [number, number, number];
const request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const began = performance.now();
const end = began + seconds * 1000;
/** Microseconds. */
const latencies = build();
let bad = 0;
let resumed = 0;

/** One connection after the other until the time is up. */
async function client(): Promise<void> {
  while (performance.now() < end) {
    const start = performance.now();
    const answer = await exchange();
    if (/^HTTP\/1\.1 200 .*\r\n\r\n./s.test(answer))
      latencies.recordValue(Math.round((performance.now() - start) * 1000));
    else bad++;
  }
}

function exchange(): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false });
    socket.setEncoding('latin1');
    socket.once('secureConnect', () => {
      if (socket.isSessionReused()) resumed++;
      socket.write(request);
    });
    socket.on('data', (text: string) => (answer += text));
    socket.on('error', () => {});
    socket.once('close', () => resolve(answer));
  });
}

await Promise.all(Array.from({ length: connections }, client));
const requests = latencies.totalCount;
const result: Result = {
  requests,
  rate: (requests / (performance.now() - began)) * 1000,
  p50: latencies.getValueAtPercentile(50) / 1000,
  p99: latencies.getValueAtPercentile(99) / 1000,
  fault: bad + resumed > 0 ? `${bad} without an answer of 200, ${resumed} resumed` : null,
};
console.log(JSON.stringify(result));
