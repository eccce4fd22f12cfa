/** What breaks a TLS connection after its handshake ends it at once (RFC 8446 6.2), whatever it carries at the moment. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, service } from '../helpers/edge.ts';
import { RawInstance } from '../helpers/instances.ts';
import { closedByEdge, type Wire, wireTo } from '../helpers/wire.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const ports = { http: 443, raw: 6001, pg: 5432 };
const versions = ['TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof versions)[number];

let folder: string;
let instance: RawInstance;
let edge: Edge;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-faults-'));
  instance = await RawInstance.start();
  const instances = [{ id: 'aa01', port: instance.port }];
  edge = await Edge.start({
    ports: Object.values(ports),
    certificates: [issue(folder, makeAuthority(folder), 'all', ['http.test', 'raw.test', 'pg.test'])],
    // A connection that stays open outlives the test.
    limits: { body_idle_timeout: '"10m"', tcp_idle_timeout: '"10m"' },
    apps: [
      { name: 'http', fly: service({ port: ports.http, handlers: ['tls', 'http'] }), instances },
      { name: 'raw', fly: service({ port: ports.raw, handlers: ['tls'], type: 'connections' }), instances },
      { name: 'pg', fly: service({ port: ports.pg, handlers: ['pg_tls'], type: 'connections' }), instances },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  rmSync(folder, { recursive: true });
});

const record = (type: number, length: number, payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3, length >> 8, length & 0xff]), payload]);

/** What a client, or somebody on the way, may put on the wire. */
const faults: Record<string, (wire: Wire) => void> = {
  'a record that nobody sealed': ({ tcp }) => tcp.send(record(23, 64, Buffer.alloc(64, 7))),
  'a request in plain text': ({ tcp }) => tcp.send('GET / HTTP/1.1\r\nHost: http.test\r\n\r\n'),
  'an alert in plain text': ({ tcp }) => tcp.send(record(21, 2, Buffer.from([2, 40]))),
  'a record that is too long': ({ tcp }) => tcp.send(record(23, 0xffff, Buffer.alloc(0xffff, 7))),
  // The client tells of the forged record in an alert of its own.
  'a fatal alert': ({ deceive }) => deceive(record(23, 64, Buffer.alloc(64, 7))),
  'a ClientHello in plain text': ({ tcp }) => tcp.send(record(22, 4, Buffer.from([1, 0, 0, 0]))),
};

const secured = (app: keyof typeof ports, version: Version): Promise<Wire> =>
  wireTo(
    edge.port(ports[app]),
    { servername: `${app}.test`, minVersion: version, maxVersion: version },
    app !== 'pg'
      ? undefined
      : async (tcp) => void expect(await tcp.send(Buffer.from('0000000804d2162f', 'hex')).bytes(1)).toBe('S'),
  );

const request = 'GET / HTTP/1.1\r\nHost: http.test\r\n';

/** What the connection is doing when it breaks. Each leaves nothing behind at the instance. */
const states: Record<string, { app: keyof typeof ports; counts: object; reach(wire: Wire): Promise<unknown> }> = {
  'before the first request': { app: 'http', counts: {}, reach: async () => {} },
  'in the middle of a head': { app: 'http', counts: {}, reach: async ({ client }) => client.send(request) },
  'between requests': {
    app: 'http',
    counts: { 'edge 200': 1, 'app 200': 1 },
    async reach({ client }) {
      client.send(`${request}\r\n`);
      const server = await instance.accept();
      await server.head();
      server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok').end();
      expect((await client.response()).status).toBe(200);
    },
  },
  'while the instance thinks': {
    app: 'http',
    counts: {},
    async reach({ client }) {
      client.send(`${request}\r\n`);
      await (await instance.accept()).head();
    },
  },
  'while a body comes': {
    app: 'http',
    counts: {},
    async reach({ client }) {
      client.send(`POST / HTTP/1.1\r\nHost: http.test\r\nContent-Length: 1000\r\n\r\nx`);
      await (await instance.accept()).through('\r\n\r\nx');
    },
  },
  'while an answer goes': {
    app: 'http',
    counts: { 'edge 200': 1, 'app 200': 1 },
    async reach({ client }) {
      client.send(`${request}\r\n`);
      const server = await instance.accept();
      await server.head();
      server.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx');
      await client.through('\r\n\r\nx');
    },
  },
  'in a websocket': {
    app: 'http',
    counts: { 'edge 101': 1, 'app 101': 1 },
    async reach({ client }) {
      client.send(`${request}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
      const server = await instance.accept();
      await server.head();
      server.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      expect((await client.response()).status).toBe(101);
    },
  },
  'in a tunnel': {
    app: 'raw',
    counts: {},
    async reach({ client }) {
      client.send('ping');
      expect(await (await instance.accept()).bytes(4)).toBe('ping');
    },
  },
  'in a tunnel of PostgreSQL': {
    app: 'pg',
    counts: {},
    async reach({ client }) {
      client.send('ping');
      expect(await (await instance.accept()).bytes(4)).toBe('ping');
    },
  },
};

describe.each(versions)('a %s connection', (version) => {
  test.each(Object.entries(states))('%s: ends at once with each fault', async (_name, { app, counts, reach }) => {
    for (const [fault, inject] of Object.entries(faults)) {
      const watch = await edge.watch();
      const wire = await secured(app, version);
      await reach(wire);
      inject(wire);
      await closedByEdge(wire).catch(() => expect.fail(`open after ${fault}`));
      // Not a failed handshake, and nothing that the edge did wrong.
      await watch.moved({ [`handshake ${version}`]: 1, ...counts });
    }
  });

  test('that lingers after the last answer ends at once with each fault', async () => {
    for (const [fault, inject] of Object.entries(faults)) {
      // After the edge's close_notify, the client reads no forged record any more.
      if (fault === 'a fatal alert') continue;
      const watch = await edge.watch();
      const wire = await secured('http', version);
      const { client, tcp } = wire;
      client.send('GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n');
      expect((await client.response()).status).toBe(404);
      expect(await tcp.peerEnd(), 'FIN after the answer').toBe('fin');
      inject(wire);
      await watch.moved({ [`handshake ${version}`]: 1, 'edge 404': 1, 'error unknown_host': 1 }).catch(() => {
        expect.fail(`open after ${fault}`);
      });
      tcp.destroy();
    }
  });

  test('whose tunnel breaks tells the instance so: what it got must not look complete', async () => {
    for (const inject of Object.values(faults)) {
      const wire = await secured('raw', version);
      wire.client.send('half of ');
      const server = await instance.accept();
      await server.bytes(8);
      inject(wire);
      expect(await server.peerEnd()).toBe('reset');
      wire.tcp.destroy();
    }
  });

  test('that was ended by close_notify alone still gets its answer', async () => {
    const watch = await edge.watch();
    const wire = await secured('http', version);
    wire.client.send(`${request}\r\n`).end();
    const server = await instance.accept();
    await server.head();
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await wire.client.response()).body).toBe('ok');
    expect(await wire.client.peerEnd()).toBe('fin');
    await closedByEdge(wire);
    server.destroy();
    await watch.moved({ [`handshake ${version}`]: 1, 'edge 200': 1, 'app 200': 1 });
  });

  test('whose last record never came whole ends with the FIN', async () => {
    for (const reach of [states['before the first request']!, states['while a body comes']!]) {
      const watch = await edge.watch();
      const wire = await secured('http', version);
      await reach.reach(wire);
      wire.tcp.send(record(23, 64, Buffer.alloc(10, 7))).end();
      await closedByEdge(wire);
      await watch.moved({ [`handshake ${version}`]: 1 });
    }
  });
});

describe('renegotiation', () => {
  test.each(['before the first request', 'while the instance thinks', 'in a tunnel'])('%s: ends it', async (name) => {
    const { app, counts, reach } = states[name]!;
    const watch = await edge.watch();
    const wire = await secured(app, 'TLSv1.2');
    await reach(wire);
    wire.tls.renegotiate({ rejectUnauthorized: false }, () => {});
    await closedByEdge(wire);
    await watch.moved({ 'handshake TLSv1.2': 1, ...counts });
  });
});
