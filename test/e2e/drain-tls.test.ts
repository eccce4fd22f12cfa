/** TLS over a flip: handshakes that are under way go on, sessions of one slot are resumed by the next. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadPlan } from '../../src/config/load.ts';
import { Supervisor } from '../../src/supervisor/supervisor.ts';
import { type Certificate, issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, type EdgeOptions, prepare, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { get } from '../helpers/messages.ts';
import { RawSocket } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
let folder: string;
let ca: string;
let instance: HttpInstance;
let options: EdgeOptions;
let edge: Edge;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-drain-tls-'));
  const authority: Certificate = makeAuthority(folder);
  ca = readFileSync(authority.cert, 'utf8');
  instance = await HttpInstance.start();
  const fly = service({ port: 443, handlers: ['tls', 'http'] });
  options = {
    workers: 2,
    ports: [443],
    certificates: [issue(folder, authority, 'demo', ['demo.test'])],
    apps: [{ name: 'demo', fly, instances: [{ id: 'aa', port: instance.port }] }],
  };
  edge = await Edge.start({ ...options, drainTimeout: '10m', websocketDrainTimeout: '10m' });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  rmSync(folder, { recursive: true });
});

/** Passes a client's bytes on to the edge, up to a point; and the rest once it is told. */
async function gate(passes: (chunk: Buffer, index: number) => number) {
  const kept: Buffer[] = [];
  let open = false;
  let to: Socket | undefined;
  const server = createServer((client) => {
    to = connect({ port: edge.port(443), host: '127.0.0.1', noDelay: true });
    let chunks = 0;
    client.on('data', (chunk: Buffer) => {
      const passing = open ? chunk.length : kept.length > 0 ? 0 : passes(chunk, chunks++);
      if (passing > 0) to!.write(chunk.subarray(0, passing));
      if (passing < chunk.length) kept.push(chunk.subarray(passing));
    });
    client.on('end', () => to!.end());
    to.pipe(client);
    for (const socket of [client, to]) socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    /** Something is kept back. */
    closed: () => kept.length > 0,
    open() {
      open = true;
      for (const bytes of kept) to!.write(bytes);
    },
  };
}

describe.each(versions)('a handshake of %s', (version) => {
  test.for([
    ['ClientHello', (chunk: Buffer, index: number) => (index === 0 ? 30 : chunk.length)],
    ["client's last flight", (chunk: Buffer, index: number) => (index === 0 ? chunk.length : 10)],
  ] as const)('in the middle of the %s at the flip goes on, and its request is answered', async ([, passes]) => {
    await edge.drained();
    const watch = await edge.watch();
    const gated = await gate(passes);
    const limit = { minVersion: version, maxVersion: version } as const;
    const socket = connectTls({ host: '127.0.0.1', port: gated.port, ca, servername: 'demo.test', ...limit });
    onTestFinished(() => void socket.destroy());
    const client = new RawSocket(socket).send(get());
    await until(async () => gated.closed() && (await edge.status()).slots[0]!.connections === 1, 'half a handshake');
    await edge.restart();
    expect((await edge.slots())[0]).toContain('draining');
    gated.open();
    expect(await client.response()).toMatchObject({ status: 200, fields: { connection: 'close' } });
    client.end();
    await watch.moved({ 'edge 200': 1, 'app 200': 1, 'edge connects': 1, [`handshake ${version}`]: 1 });
    await edge.drained();
  });
});

test('a handshake that is never finished is ended at its timeout, and is a failed one', async () => {
  const impatient = await Edge.start({ ...options, drainTimeout: '10m', limits: { tls_handshake_timeout: '"3s"' } });
  try {
    const watch = await impatient.watch();
    const client = connect({ port: impatient.port(443), host: '127.0.0.1' });
    onTestFinished(() => void client.destroy());
    client.on('error', () => {});
    client.write('\x16\x03\x01\x01\x00', 'latin1');
    await until(async () => (await impatient.status()).slots[0]!.connections === 1, 'the connection in its slot');
    await impatient.restart();
    expect((await impatient.slots())[0]).toContain('draining');
    await once(client.resume(), 'close');
    await watch.moved({ 'unnamed handshake failed': 1, 'unnamed edge connects': 1 });
    await impatient.drained();
  } finally {
    await impatient.stop();
  }
});

/** `openssl s_client` that sends one request: what it tells of the session. */
function sClient(port: number, version: string, ...args: string[]): Promise<string> {
  const to = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'demo.test', '-ign_eof'];
  return new Promise((resolve, reject) => {
    const flag = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3';
    const child = execFile('openssl', [...to, flag, ...args], (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    child.stdin!.end(get('/', 'Connection: close\r\n'));
  });
}

/** Whether openssl got an answer, and over a resumed session. */
function session(output: string): string {
  expect(output).toContain('HTTP/1.1 200 ');
  return /^(New|Reused), (TLSv1\.\d)/m.exec(output)?.[0] ?? output;
}

describe.each(versions)('sessions of %s', (version) => {
  test('are resumed by the next slot, and by the one after it', async () => {
    const file = join(folder, `${version}.pem`);
    const watch = await edge.watch();
    expect(session(await sClient(edge.port(443), version, '-sess_out', file))).toBe(`New, ${version}`);
    for (let flip = 0; flip < 2; flip++) {
      await edge.restart();
      await edge.drained();
      expect(session(await sClient(edge.port(443), version, '-sess_in', file))).toBe(`Reused, ${version}`);
    }
    await watch.moved({ 'edge 200': 3, 'app 200': 3, 'edge connects': 3, [`handshake ${version}`]: 3 });
  });

  test('are resumed after the ticket keys have rotated once, and made anew after twice', async () => {
    const { file, port } = await prepare({ ...options, workers: 1 });
    const { plan } = await loadPlan(file);
    const supervisor = new Supervisor(plan!, {
      log: pino({ enabled: false }),
      config: file,
      load: (f) => loadPlan(f!),
    });
    expect(await supervisor.start()).toBeNull();
    onTestFinished(async () => {
      await supervisor.stop();
      await supervisor.ended;
    });
    const [old, now] = [join(folder, `${version}-old.pem`), join(folder, `${version}-now.pem`)];
    // Workers answer a scrape after what they were sent before it.
    const rotate = async () => {
      supervisor.rotateTicketKeys();
      const { address, port } = supervisor.status.metrics;
      await (await fetch(`http://${address}:${port}/metrics`)).text();
    };
    const ask = async (...args: string[]) => session(await sClient(port(443), version, ...args));
    expect(await ask('-sess_out', old)).toBe(`New, ${version}`);
    await rotate();
    expect(await ask('-sess_in', old)).toBe(`Reused, ${version}`);
    expect(await ask('-sess_out', now)).toBe(`New, ${version}`);
    expect(await supervisor.restart()).toHaveProperty('changes');
    expect(await ask('-sess_in', old)).toBe(`Reused, ${version}`);
    await rotate();
    expect(await ask('-sess_in', old)).toBe(`New, ${version}`);
    expect(await ask('-sess_in', now)).toBe(`Reused, ${version}`);
    expect(await supervisor.restart()).toHaveProperty('changes');
    expect(await ask('-sess_in', old)).toBe(`New, ${version}`);
    expect(await ask('-sess_in', now)).toBe(`Reused, ${version}`);
  });
});
