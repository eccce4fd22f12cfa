/** Raw TCP, and TLS that ends at the edge, in front of instances that are played byte by byte. */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Relay } from '../../load/relay.ts';
import { issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, type EdgeOptions, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { RawInstance } from '../helpers/instances.ts';
import { RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const ports = { raw: 6000, tls: 6001, v1: 6002, v2: 6003, dead: 6004, half: 6005, full: 6006 };
/** Nothing listens there. */
const nowhere = 1;
const signature = '\r\n\r\n\0\r\nQUIT\n';

let folder: string;
let instance: RawInstance;
let edge: Edge;

const tcp = (port: number, handlers: string[] = [], more = ''): string =>
  service({ port, handlers, type: 'connections', more });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-tcp-'));
  instance = await RawInstance.start();
  const instances = [{ id: 'aa01', port: instance.port }];
  edge = await Edge.start({
    workers: 2,
    ports: Object.values(ports),
    certificates: [issue(folder, makeAuthority(folder), 'raw', ['tls.test'])],
    apps: [
      { name: 'raw', fly: tcp(ports.raw), instances },
      { name: 'tls', fly: tcp(ports.tls, ['tls']), instances },
      { name: 'v1', fly: tcp(ports.v1, ['proxy_proto']), instances },
      {
        name: 'v2',
        fly: tcp(ports.v2, ['proxy_proto'], 'proxy_proto_options = { version = "v2" }'),
        instances,
      },
      {
        name: 'full',
        fly: service({ port: ports.full, handlers: [], type: 'connections', soft: 1, hard: 1 }),
        instances,
      },
      { name: 'dead', fly: tcp(ports.dead), instances: [{ id: 'dd01', port: nowhere }] },
      { name: 'half', fly: tcp(ports.half), instances: [...instances, { id: 'dd02', port: nowhere }] },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  rmSync(folder, { recursive: true });
});

/** A FIN leaves the other direction open: without this, connections would outlive their test. */
afterEach(() => {
  for (const connection of instance.connections) connection.destroy();
});

/** A client and the connection that the instance got for it. */
async function pair(app: 'raw' | 'tls'): Promise<{ client: RawSocket; server: RawSocket }> {
  const client = await rawClient(edge.port(ports[app]), app === 'tls' ? { servername: 'tls.test' } : undefined);
  return { client, server: await instance.accept() };
}

/** Of one app, once its connections are closed. */
async function closed(app: string): Promise<{ connects: number; in: number; out: number }> {
  return until(async () => {
    const page = await edge.scrape();
    const of = (name: string) => sum(page, `fly_${name}`, { app });
    if (of('edge_tcp_connects_count') !== of('edge_tcp_disconnects_count')) return false;
    if (of('app_tcp_connects_count') !== of('app_tcp_disconnects_count')) return false;
    if (of('app_concurrency') !== 0) return false;
    return { connects: of('edge_tcp_connects_count'), in: of('edge_data_in'), out: of('edge_data_out') };
  }, `all connections of ${app} closed`);
}

describe.for(['raw', 'tls'] as const)('%s', (app) => {
  test('bytes pass both ways as they are', async () => {
    const { client, server } = await pair(app);
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
    expect(await server.bytes(0)).toBe('');
    client.send(all);
    expect(await server.bytes(256)).toBe(all);
    server.send(all);
    expect(await client.bytes(256)).toBe(all);
    client.end();
    server.end();
    expect([await client.peerEnd(), await server.peerEnd()]).toEqual(['fin', 'fin']);
  });

  test('an instance may speak first', async () => {
    const { client, server } = await pair(app);
    server.send('220 ready\r\n');
    expect(await client.through('\r\n')).toBe('220 ready\r\n');
    client.destroy();
  });

  test('what a client sends at once, with its FIN, arrives', async () => {
    const client = await rawClient(edge.port(ports[app]), app === 'tls' ? { servername: 'tls.test' } : undefined);
    client.send('early').end();
    const server = await instance.accept();
    expect(await server.peerEnd()).toBe('fin');
    expect(server.text).toBe('early');
    server.send('late').end();
    expect(await client.peerEnd()).toBe('fin');
    expect(client.text).toBe('late');
  });

  test("a client's FIN leaves the way back open", async () => {
    const { client, server } = await pair(app);
    client.send('question').end();
    expect(await server.peerEnd()).toBe('fin');
    expect(server.text).toBe('question');
    server.send('a long answer '.repeat(1000));
    expect((await client.bytes(14_000)).length).toBe(14_000);
    server.send('and its end').end();
    expect(await client.peerEnd()).toBe('fin');
    expect(client.text).toBe('and its end');
  });

  test("an instance's FIN leaves the way there open", async () => {
    const { client, server } = await pair(app);
    server.send('greeting').end();
    expect(await client.peerEnd()).toBe('fin');
    expect(client.text).toBe('greeting');
    client.send('still there');
    expect(await server.through('there')).toBe('still there');
    client.end();
    expect(await server.peerEnd()).toBe('fin');
  });

  test("a client's RST reaches the instance", async () => {
    // Node resets TCP sockets only: under TLS, the one below.
    const socket = connect({ port: edge.port(ports[app]), host: '127.0.0.1' });
    onTestFinished(() => void socket.destroy());
    const client = new RawSocket(
      app === 'raw' ? socket : connectTls({ socket, servername: 'tls.test', rejectUnauthorized: false }),
    );
    client.send('half of it');
    const server = await instance.accept();
    await server.through('of it');
    socket.resetAndDestroy();
    expect(await server.peerEnd()).toBe('reset');
  });

  test("an instance's RST reaches the client", async () => {
    const { client, server } = await pair(app);
    server.send('half of it');
    await client.through('of it');
    server.reset();
    expect(await client.peerEnd()).toBe('reset');
  });

  test('is counted to the byte', async () => {
    const before = await closed(app);
    const relay = await Relay.open(edge.port(ports[app]));
    onTestFinished(() => relay.close());
    const size = 300_000;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = await rawClient(relay.port, app === 'tls' ? { servername: 'tls.test' } : undefined);
        client.send(Buffer.alloc(size, 'x'));
        const server = await instance.accept();
        server.send(Buffer.alloc(size, 'y'));
        await Promise.all([server.bytes(size), client.bytes(size)]);
        client.end();
        server.end();
        await Promise.all([server.peerEnd(), client.peerEnd()]);
      }),
    );
    await until(() => relay.closed === 8, 'the relay closed');
    const after = await closed(app);
    expect(relay.resets).toBe(0);
    const moved = { connects: after.connects - before.connects, in: after.in - before.in, out: after.out - before.out };
    expect(moved).toEqual({ connects: 8, in: relay.sent, out: relay.received });
    if (app === 'raw') expect(moved).toEqual({ connects: 8, in: 8 * size, out: 8 * size });
  });

  test('a reader that stops, stops its writer; memory stays', async () => {
    const { client, server } = await pair(app);
    const [first, second] = [await flood(server, client), await flood(client, server)];
    // What fills the sockets' own buffers on the way is far from all.
    expect(Math.max(first.before, second.before)).toBeLessThan(floodSize / 2);
    expect([first.after, second.after]).toEqual([floodSize, floodSize]);
    expect(Math.max(first.grown, second.grown)).toBeLessThan(32 * 2 ** 20);
    client.destroy();
  });

  test('concurrency is that of open connections, 0 again after', async () => {
    await closed(app);
    const concurrency = async () => sum(await edge.scrape(), 'fly_app_concurrency', { app });
    const pairs = [await pair(app), await pair(app), await pair(app)];
    expect(await concurrency()).toBe(3);
    // A FIN alone would leave the other direction open, and the connection with it.
    pairs[0]!.client.destroy();
    pairs[0]!.server.destroy();
    await until(async () => (await concurrency()) === 2, 'two left');
    for (const { server } of pairs) server.destroy();
    for (const { client } of pairs) client.destroy();
    await closed(app);
  });
});

const floodSize = 128 * 2 ** 20;

/** Writes a lot to a peer that does not read until the writer stands still. Bytes taken before and after; RSS. */
async function flood(writer: RawSocket, reader: RawSocket) {
  const pids = await edge.pids();
  const memory = () => pids.reduce((sum, pid) => sum + rss(pid), 0);
  let read = 0;
  reader.socket.removeAllListeners('data');
  reader.socket.pause();
  const resting = memory();
  const chunk = Buffer.alloc(2 ** 20);
  let written = 0;
  const more = () => {
    while (written < floodSize && writer.socket.write(chunk)) written += chunk.length;
    if (written < floodSize) {
      // The one that write() said no to was taken all the same.
      written += chunk.length;
      writer.socket.once('drain', more);
    }
  };
  more();
  const before = await standstill(() => written);
  const grown = memory() - resting;
  reader.socket.on('data', (bytes: Buffer) => (read += bytes.length));
  reader.socket.resume();
  await until(() => read >= written && written >= floodSize, 'all read', 25_000);
  return { before, after: read, grown };
}

/** The value once it has not changed for many looks in a row. */
async function standstill(value: () => number): Promise<number> {
  let last = -1;
  let looks = 0;
  await until(() => {
    looks = value() === last ? looks + 1 : 0;
    last = value();
    return looks >= 40;
  }, 'standstill');
  return last;
}

/** Resident memory in bytes. */
function rss(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

test.each([
  ['', 'RST'],
  ['hello', 'RST'],
  ['x'.repeat(3_000_000), 'RST'],
  // Nothing is read after FIN.
  ['hello', 'FIN, RST'],
])('a client that resets while it waits for an instance is let go at once (%#)', async (early, how) => {
  const first = await rawClient(edge.port(ports.full));
  const peer = await instance.accept();
  const second = await rawClient(edge.port(ports.full));
  second.send(early);
  const count = async (what: string) => sum(await edge.scrape(), `fly_edge_tcp_${what}_count`, { app: 'full' });
  await until(async () => (await count('connects')) - (await count('disconnects')) === 2);
  if (how === 'FIN, RST') {
    second.end();
    await once(second.socket, 'finish');
    await edge.scrape();
  }
  second.reset();
  await until(async () => (await count('connects')) - (await count('disconnects')) === 1);
  // It left by itself: nobody waited for the end of its time in the queue.
  expect(sum(await edge.scrape(), 'fly_edge_error_count', { app: 'full' })).toBe(0);
  const third = await rawClient(edge.port(ports.full));
  third.send('third');
  first.end();
  peer.end();
  const next = await instance.accept();
  expect(await next.through('third')).toBe('third');
  third.end();
  next.end();
});

describe('instances that are down', () => {
  test('close the connection, with an error that is counted', async () => {
    const watch = await edge.watch();
    for (let i = 0; i < 3; i++) {
      const client = new RawSocket(connect({ port: edge.port(ports.dead), host: '127.0.0.1' }));
      expect(await client.peerEnd()).toBe('reset');
    }
    await watch.moved({ 'edge connects': 3, 'error instance_connect': 3 });
    const lines = edge.log.filter(({ code }) => code === 'instance_connect');
    expect(lines.map(({ app, instance }) => [app, instance])).toEqual(Array(3).fill(['dead', 'dd01']));
  });

  test('are passed over while another one is there', async () => {
    const watch = await edge.watch();
    for (let i = 0; i < 20; i++) {
      const client = (await rawClient(edge.port(ports.half))).send('hello');
      const server = await instance.accept();
      expect(await server.through('hello')).toBe('hello');
      client.destroy();
      server.destroy();
    }
    await watch.moved({ 'edge connects': 20, 'app connects': 20 });
  });
});

test('without bytes in either direction for too long, it is cut; with some in one, it is not', async () => {
  const idle = await Edge.start({
    ports: [ports.raw],
    // Shorter than the second between two samples of the bytes.
    limits: { tcp_idle_timeout: '"500ms"' },
    apps: [{ name: 'raw', fly: tcp(ports.raw), instances: [{ id: 'aa01', port: instance.port }] }],
  });
  onTestFinished(() => idle.stop());
  const watch = await idle.watch();
  const busy = await rawClient(idle.port(ports.raw));
  const talker = await instance.accept();
  const drip = setInterval(() => talker.send('.'), 50);
  onTestFinished(() => clearInterval(drip));
  for (let i = 0; i < 2; i++) {
    const silent = await rawClient(idle.port(ports.raw));
    const server = await instance.accept();
    expect([await silent.peerEnd(), await server.peerEnd()]).toEqual(['reset', 'reset']);
  }
  expect(busy.ended).toBe('no');
  clearInterval(drip);
  busy.end();
  talker.end();
  await watch.moved({ 'error idle_timeout': 2, 'edge connects': 3 });
});

describe('proxy_proto tells the instance who the client is', () => {
  test('v1', async () => {
    const client = (await rawClient(edge.port(ports.v1))).send('after it');
    const server = await instance.accept();
    const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${edge.port(ports.v1)}\r\n`;
    expect(await server.through('after it')).toBe(`${line}after it`);
  });

  test('v2', async () => {
    const client = (await rawClient(edge.port(ports.v2))).send('after it');
    const server = await instance.accept();
    const header = v2([127, 0, 0, 1], client.socket.localPort!, [127, 0, 0, 1], edge.port(ports.v2));
    expect(await server.through('after it')).toBe(`${header}after it`);
  });
});

function v2(from: number[], fromPort: number, to: number[], toPort: number): string {
  const portBytes = Buffer.alloc(4);
  portBytes.writeUInt16BE(fromPort, 0);
  portBytes.writeUInt16BE(toPort, 2);
  const head = Buffer.from([0x21, 0x11, 0, 12, ...from, ...to]);
  return signature + Buffer.concat([head, portBytes]).toString('latin1');
}

describe('a PROXY header from a client', () => {
  const told = {
    v1: 'PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n',
    v2: v2([203, 0, 113, 7], 4711, [198, 51, 100, 1], 443),
  };
  const outgoing = 'PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n';

  const start = async (trusted: string, proxyProtocol: EdgeOptions['proxyProtocol']): Promise<Edge> => {
    const instances = [{ id: 'aa01', port: instance.port }];
    const started = await Edge.start({
      ports: [80, ports.v1],
      trusted: [trusted],
      proxyProtocol: proxyProtocol!,
      limits: { prelude_timeout: '"300ms"' },
      apps: [
        { name: 'v1', fly: tcp(ports.v1, ['proxy_proto']), instances },
        { name: 'web', instances },
      ],
    });
    onTestFinished(() => started.stop());
    return started;
  };
  /** What the instance gets of a raw connection that sends `bytes`. */
  const raw = async (of: Edge, bytes: string): Promise<{ line: string; rest: string; client: RawSocket }> => {
    const client = (await rawClient(of.port(ports.v1))).send(`${bytes}payload`);
    const server = await instance.accept();
    const line = await server.through('\r\n');
    const rest = await server.through('payload');
    return { line, rest, client };
  };
  const own = (client: RawSocket, of: Edge) =>
    `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${of.port(ports.v1)}\r\n`;

  test('is read from a trusted peer, when optional or required', async () => {
    for (const mode of ['optional', 'required'] as const) {
      const of = await start('127.0.0.0/8', mode);
      for (const header of Object.values(told)) {
        expect(await raw(of, header)).toMatchObject({ line: outgoing, rest: 'payload' });
        const client = (await rawClient(of.port())).send(`${header}GET / HTTP/1.1\r\nHost: web.test\r\n\r\n`);
        const server = await instance.accept();
        const head = await server.head();
        expect(head).toMatch(/^X-Forwarded-For: 203\.0\.113\.7\r$/im);
        expect(head).toMatch(/^Fly-Client-IP: 203\.0\.113\.7\r$/im);
        client.destroy();
      }
    }
  });

  test('may be split anywhere', async () => {
    const of = await start('127.0.0.0/8', 'required');
    for (const header of Object.values(told)) {
      const client = await rawClient(of.port(ports.v1));
      for (const byte of `${header}payload`) {
        client.send(byte);
        await new Promise(setImmediate);
      }
      const server = await instance.accept();
      expect(await server.through('payload')).toBe(`${outgoing}payload`);
    }
  });

  test('is missed only where it is required', async () => {
    const optional = await start('127.0.0.0/8', 'optional');
    const { line, client } = await raw(optional, '');
    expect(line).toBe(own(client, optional));
    const required = await start('127.0.0.0/8', 'required');
    const watch = await required.watch();
    const missing = (await rawClient(required.port(ports.v1))).send('payload');
    expect(await missing.peerEnd()).toBe('fin');
    const silent = await rawClient(required.port(ports.v1));
    expect(await silent.peerEnd()).toBe('fin');
    const malformed = (await rawClient(required.port())).send('PROXY TCP4 one two three four\r\n');
    expect(await malformed.peerEnd()).toBe('fin');
    for (const refused of [missing, silent, malformed]) {
      expect(refused.text).toBe('');
      refused.end();
    }
    await watch.moved({ 'error proxy_header': 3, 'edge connects': 3 });
  });

  test('is nothing but bytes where it is off, and from a stranger', async () => {
    for (const [trusted, mode] of [
      ['127.0.0.0/8', 'off'],
      ['10.0.0.0/8', 'optional'],
    ] as const) {
      const of = await start(trusted, mode);
      for (const header of Object.values(told)) {
        const { line, rest, client } = await raw(of, header);
        expect(line + rest).toBe(`${own(client, of)}${header}payload`);
      }
      const client = (await rawClient(of.port())).send(`${told.v1}GET / HTTP/1.1\r\nHost: web.test\r\n\r\n`);
      expect((await client.response()).status).toBe(400);
    }
  });

  test('from a stranger is refused where it is required', async () => {
    const of = await start('10.0.0.0/8', 'required');
    const watch = await of.watch();
    const client = (await rawClient(of.port(ports.v1))).send(`${told.v1}payload`);
    expect(await client.peerEnd()).toBe('fin');
    client.end();
    await watch.moved({ 'error proxy_header': 1 });
  });

  test('cut off by FIN or RST is an error, and a raw port counts it for its app', async () => {
    const of = await start('127.0.0.0/8', 'required');
    const watch = await of.watch();
    const app = { app: 'v1' };
    const before = await of.scrape();
    for (const header of Object.values(told)) {
      const client = (await rawClient(of.port(ports.v1))).send(header.slice(0, 20)).end();
      expect(await client.peerEnd()).toBe('fin');
    }
    const reset = (await rawClient(of.port(ports.v1))).send(told.v1.slice(0, 5));
    await until(async () => sum(await of.scrape(), 'fly_edge_data_in', app) >= 5 + 2 * 20, 'the bytes to be read');
    reset.reset();
    const nothing = (await rawClient(of.port(ports.v1))).end();
    expect(await nothing.peerEnd()).toBe('fin');
    await watch.moved({ 'error proxy_header': 3, 'edge connects': 4 });
    const after = await of.scrape();
    const moved = (name: string): number => sum(after, name, app) - sum(before, name, app);
    expect(moved('fly_edge_tcp_connects_count')).toBe(4);
    expect(moved('fly_edge_tcp_disconnects_count')).toBe(4);
    expect(moved('fly_edge_error_count')).toBe(3);
  });
});
