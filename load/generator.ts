/**
 * The load of the bench: wrk, or autocannon where wrk isn't installed, and our own client for full TLS handshakes.
 * One run is one process.
 */

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from './processes.ts';

export interface Work {
  name: string;
  what: string;
  secure: boolean;
  /** A connection per request; `full`: and no TLS session is resumed. */
  close: boolean | 'full';
  path: string;
  /** Size of a POST body in bytes; 0: GET. */
  body: number;
}

export interface Result {
  requests: number;
  /** Requests per second. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** What went wrong, if anything did: such a run says nothing. */
  fault: string | null;
}

export const connections = 64;

const get = { secure: false, close: false, path: '/', body: 0 };

export const works: Work[] = [
  { ...get, name: 'keepalive', what: 'small GET, connections kept' },
  { ...get, name: 'close', what: 'small GET, a connection per request', close: true },
  { ...get, name: 'tls', what: 'small GET over TLS, connections kept', secure: true },
  {
    ...get,
    name: 'resume',
    what: 'small GET, a TLS connection per request, sessions resumed',
    secure: true,
    close: true,
  },
  { ...get, name: 'handshake', what: 'small GET, a full TLS handshake per request', secure: true, close: 'full' },
  { ...get, name: 'post', what: 'POST of 4 KiB, connections kept', body: 4096 },
  { ...get, name: 'download', what: 'GET of 1 MiB, connections kept', path: '/big' },
];

const run = promisify(execFile);
const wrk = findProgram('wrk');

/** Name of the generator used here. */
export const generator = wrk ? 'wrk' : 'autocannon';

/** autocannon writes its next request onto a connection that is being closed: it cannot do these. */
export const canDo = (work: Work) => wrk !== null || work.close !== true;

/** Runs `work` against 127.0.0.1:`port` for some seconds, pinned to `core`. */
export function generate(work: Work, port: number, seconds: number, core: number, script: string): Promise<Result> {
  if (work.close === 'full') return runHandshakes(port, seconds, core);
  const url = `http${work.secure ? 's' : ''}://localhost:${port}${work.path}`;
  return wrk ? runWrk(wrk, work, url, seconds, core, script) : runAutocannon(work, url, seconds, core);
}

/** A wrk script that makes each request a POST. */
export const postScript = (size: number) => `wrk.method = "POST"\nwrk.body = string.rep("x", ${size})\n`;

async function runWrk(program: string, work: Work, url: string, seconds: number, core: number, script: string) {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', 'Host: localhost'];
  if (work.close) args.push('-H', 'Connection: close');
  if (work.body) args.push('-s', script);
  return parseWrk(await pinned(core, program, [...args, url]));
}

function parseWrk(text: string): Result {
  const milliseconds = (share: string) => {
    const [, value, unit] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s|m)\\b`).exec(text) ?? [];
    return Number(value) * { us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit as 'us' | 'ms' | 's' | 'm'];
  };
  const fault = /^\s*(Socket errors: .*|Non-2xx .*)$/m.exec(text)?.[1] ?? null;
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1] ?? 0),
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50: milliseconds('50'),
    p99: milliseconds('99'),
    fault,
  };
}

async function runAutocannon(work: Work, url: string, seconds: number, core: number): Promise<Result> {
  const program = createRequire(import.meta.url).resolve('autocannon/autocannon.js');
  const args = [program, '--json', '--no-progress', '-c', String(connections), '-d', String(seconds)];
  if (work.body) args.push('-m', 'POST', '-b', 'x'.repeat(work.body));
  const result = JSON.parse(await pinned(core, process.execPath, [...args, '-H', 'Host=localhost', url]));
  const bad = result.non2xx + result.errors + result.timeouts;
  return {
    requests: result.requests.total,
    rate: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    fault: bad > 0 ? `${result.non2xx} answers other than 2xx, ${result.errors} errors` : null,
  };
}

async function runHandshakes(port: number, seconds: number, core: number): Promise<Result> {
  const program = fileURLToPath(new URL('handshakes.ts', import.meta.url));
  return JSON.parse(await pinned(core, process.execPath, [program, ...[port, seconds, connections].map(String)]));
}

async function pinned(core: number, program: string, args: string[]): Promise<string> {
  const command = findProgram('taskset') ? ['taskset', '-c', String(core), program, ...args] : [program, ...args];
  return (await run(command[0]!, command.slice(1))).stdout;
}
