/** TLS at the port: which certificate, which version, which protocol, and what each handshake counts. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Relay } from '../../load/relay.ts';
import { type Certificate, issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, service } from '../helpers/edge.ts';
import { select, sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

/** The port with `default_self_signed`. */
const selfPort = 8443;
let folder: string;
let authority: Certificate;
let ca: string;
let instance: HttpInstance;
let edge: Edge;

const https = (versions = '["TLSv1.2", "TLSv1.3"]'): string =>
  service({ port: 443, handlers: ['tls', 'http'], more: `tls_options = { versions = ${versions} }` });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-tls-'));
  authority = makeAuthority(folder);
  ca = readFileSync(authority.cert, 'utf8');
  instance = await HttpInstance.start((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.end(chunks.length > 0 ? Buffer.concat(chunks) : `for ${request.headers.host}\n`));
  });
  const instances = [{ id: 'aa01', port: instance.port }];
  const selfSigned = 'tls_options = { default_self_signed = true }';
  edge = await Edge.start({
    workers: 2,
    ports: [443, selfPort],
    certificates: [
      issue(folder, authority, 'wildcard', ['*.wild.test', 'alpha.test']),
      issue(folder, authority, 'exact', ['one.wild.test', 'old.test', 'new.test']),
    ],
    apps: [
      { name: 'alpha', hostnames: ['alpha.test', '*.wild.test'], fly: https(), instances },
      { name: 'one', hostnames: ['one.wild.test'], fly: https(), instances },
      { name: 'old', fly: https('["TLSv1.2"]'), instances },
      { name: 'new', fly: https('["TLSv1.3"]'), instances },
      { name: 'bare', fly: https(), instances },
      { name: 'self', fly: service({ port: selfPort, handlers: ['tls', 'http'], more: selfSigned }), instances },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  rmSync(folder, { recursive: true });
});

/** What a program wrote, and its exit code. */
function run(program: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(program, args, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
    child.stdin!.end();
  });
}

const sClient = (...args: string[]) => run('openssl', 's_client', '-connect', `127.0.0.1:${edge.port(443)}`, ...args);

function curl(host: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const at = `${host}:${edge.port(443)}`;
  return run('curl', '-sS', '--cacert', authority.cert, '--resolve', `${at}:127.0.0.1`, ...args, `https://${at}/`);
}

/** A finished handshake of Node's client, which trusts our authority alone; destroyed with the test. */
async function handshake(options: ConnectionOptions, port = edge.port(443)): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca, ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

/** Failed handshakes by app and server name, finished ones by app and version; both colours together. */
async function counted(of: Edge): Promise<Map<string, number>> {
  const page = await of.scrape();
  const all = new Map<string, number>();
  const add = (words: (string | undefined)[], value: number) => {
    const key = words.filter((word) => word !== '').join(' ');
    all.set(key, (all.get(key) ?? 0) + value);
  };
  for (const { labels, value } of select(page, 'fly_edge_tls_handshake_errors')) {
    add([labels.app, 'failed', labels.servername], value);
  }
  for (const { labels, value } of select(page, 'fly_edge_tls_handshake_time_seconds_count')) {
    add([labels.app, labels.version], value);
  }
  return all;
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Runs `act` and waits until so much was counted and all connections are closed; it must be exactly `expected`. */
async function counts(expected: Record<string, number>, act: () => Promise<unknown>, of = edge): Promise<void> {
  const before = await counted(of);
  await act();
  let moved: Record<string, number> = {};
  await until(async () => {
    const page = await of.scrape();
    const grown = [...(await counted(of))].map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const);
    moved = Object.fromEntries(grown.filter(([, value]) => value !== 0));
    const open = sum(page, 'fly_edge_tcp_connects_count') - sum(page, 'fly_edge_tcp_disconnects_count');
    return open === 0 && total(moved) >= total(expected);
  }, 'counted and closed').catch(() => {});
  expect(moved).toEqual(expected);
}

describe('the server name picks the certificate', () => {
  const namesOf = (socket: TLSSocket) => socket.getPeerCertificate().subjectaltname;

  test('an exact name goes before a wildcard', async () => {
    await counts({ 'one TLSv1.3': 1, 'alpha TLSv1.3': 2 }, async () => {
      for (const [name, certificate] of [
        ['one.wild.test', 'one.wild.test'],
        ['two.wild.test', '*.wild.test'],
        ['ALPHA.test', '*.wild.test'],
      ] as const) {
        const socket = await handshake({ servername: name });
        expect(namesOf(socket)).toContain(`DNS:${certificate}`);
        socket.end();
      }
    });
  });

  test('a name without a certificate is unrecognized, and never becomes a label', async () => {
    await counts({ failed: 1, 'bare failed bare.test': 1, 'alpha failed': 1 }, async () => {
      // The last one is an app's by its wildcard, but two labels are more than a certificate's wildcard stands for.
      for (const name of ['stranger.test', 'bare.test', 'a.b.wild.test']) {
        const { output } = await sClient('-servername', name);
        expect(output).toContain('SSL alert number 112');
      }
    });
  });

  test('no name is unrecognized where nobody asked for a self-signed certificate', async () => {
    await counts({ failed: 1 }, async () => {
      expect((await sClient('-noservername')).output).toContain('SSL alert number 112');
    });
  });

  test('default_self_signed serves names without a certificate, and none', async () => {
    // The port has one app: that is who a client without a name means.
    await counts({ 'self TLSv1.3': 2, 'TLSv1.3': 1 }, async () => {
      for (const servername of ['self.test', 'stranger.test', '']) {
        const socket = await handshake({ servername, rejectUnauthorized: false }, edge.port(selfPort));
        const { subject, issuer } = socket.getPeerCertificate();
        expect(subject).toEqual(issuer);
        const raw = new RawSocket(socket).send('GET / HTTP/1.1\r\nHost: self.test\r\nConnection: close\r\n\r\n');
        expect((await raw.response()).body).toBe('for self.test\n');
        socket.destroy();
      }
    });
  });

  test('another app than the server name says is misdirected', async () => {
    const watch = await edge.watch();
    const raw = new RawSocket(await handshake({ servername: 'alpha.test' }));
    raw.send('GET / HTTP/1.1\r\nHost: new.test\r\n\r\n');
    expect((await raw.response()).status).toBe(421);
    raw.send('GET / HTTP/1.1\r\nHost: self.test\r\n\r\n');
    expect((await raw.response()).status).toBe(421);
    raw.send('GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n');
    expect((await raw.response()).status).toBe(404);
    raw.send('GET / HTTP/1.1\r\nHost: x.wild.test\r\n\r\n');
    expect((await raw.response()).status).toBe(200);
    raw.destroy();
    await watch.moved({
      'edge 421': 2,
      'edge 404': 1,
      'edge 200': 1,
      'app 200': 1,
      'error misdirected': 2,
      'error unknown_host': 1,
      'handshake TLSv1.3': 1,
    });
  });
});

describe('versions', () => {
  test('belong to the server name', async () => {
    await counts({ 'old TLSv1.2': 2, 'new TLSv1.3': 1, 'alpha TLSv1.2': 1, 'alpha TLSv1.3': 1 }, async () => {
      for (const [servername, maxVersion, version] of [
        ['old.test', 'TLSv1.3', 'TLSv1.2'],
        ['old.test', 'TLSv1.2', 'TLSv1.2'],
        ['new.test', 'TLSv1.3', 'TLSv1.3'],
        ['alpha.test', 'TLSv1.2', 'TLSv1.2'],
        ['alpha.test', 'TLSv1.3', 'TLSv1.3'],
      ] as const) {
        const socket = await handshake({ servername, maxVersion });
        expect(socket.getProtocol()).toBe(version);
        socket.end();
      }
    });
  });

  test('another one ends with the alert protocol_version, counted for the name', async () => {
    await counts({ 'new failed new.test': 1, 'old failed old.test': 1, 'alpha failed alpha.test': 1 }, async () => {
      expect((await sClient('-servername', 'new.test', '-tls1_2')).output).toContain('SSL alert number 70');
      expect((await sClient('-servername', 'old.test', '-tls1_3')).output).toContain('SSL alert number 70');
      const older = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'];
      expect((await sClient('-servername', 'alpha.test', ...older)).output).toContain('SSL alert number 70');
    });
  });

  test('curl agrees, certificate checked', async () => {
    for (const [host, ...args] of [['old.test'], ['new.test'], ['alpha.test', '--tls-max', '1.2'], ['one.wild.test']]) {
      const { code, output } = await curl(host!, ...args, '-w', '%{http_code} %{http_version}');
      expect([code, output]).toEqual([0, `for ${host}:${edge.port(443)}\n200 1.1`]);
    }
    expect((await curl('new.test', '--tls-max', '1.2')).code).toBe(35);
  });
});

describe('application protocols', () => {
  test('http/1.1 is chosen wherever it stands in the list; without a list there is none', async () => {
    for (const ALPNProtocols of [['h2', 'http/1.1'], ['http/1.1'], undefined]) {
      const socket = await handshake({ servername: 'alpha.test', ...(ALPNProtocols && { ALPNProtocols }) });
      expect(socket.alpnProtocol).toBe(ALPNProtocols ? 'http/1.1' : false);
      const raw = new RawSocket(socket).send('GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n');
      expect((await raw.response()).status).toBe(200);
      socket.destroy();
    }
  });

  test('none in common ends with no_application_protocol', async () => {
    await counts({ 'alpha failed alpha.test': 2 }, async () => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const { output } = await sClient('-servername', 'alpha.test', '-alpn', 'h2', version);
        expect(output).toContain('SSL alert number 120');
      }
    });
  });
});

describe('sessions', () => {
  test.for(['TLSv1.2', 'TLSv1.3'] as const)('%s resumes them whichever worker the client meets', async (version) => {
    const options = { servername: 'alpha.test', minVersion: version, maxVersion: version };
    const first = connectTls({ host: '127.0.0.1', port: edge.port(443), ca, ...options });
    onTestFinished(() => void first.destroy());
    // In TLS 1.3 the ticket follows the handshake.
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const resumed: TLSSocket[] = [];
    // They stay open until each worker has some.
    await until(async () => {
      for (let i = 0; i < 4; i++) resumed.push(await handshake({ ...options, session }));
      await edge.scrape();
      const workers = (await edge.status()).slots.flatMap((slot) => slot.workers);
      return workers.length === 2 && workers.every(({ connections }) => connections > 0);
    }, 'resumed sessions at both workers');
    expect(resumed.map((socket) => socket.isSessionReused())).toEqual(resumed.map(() => true));
    for (const socket of resumed) {
      const raw = new RawSocket(socket).send('GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n');
      expect((await raw.response()).status).toBe(200);
      socket.destroy();
    }
  });
});

describe('a handshake', () => {
  test.for(['TLSv1.2', 'TLSv1.3'] as const)('of %s that comes byte by byte is one like others', async (version) => {
    const drip = createServer((client) => {
      const to = connect({ port: edge.port(443), host: '127.0.0.1', noDelay: true });
      dripInto(client, to).catch(() => to.destroy());
      to.pipe(client);
      to.on('error', () => client.destroy());
      client.on('error', () => to.destroy());
    });
    await once(drip.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void drip.close());
    const { port } = drip.address() as { port: number };
    await counts({ [`alpha ${version}`]: 1 }, async () => {
      const socket = await handshake({ servername: 'alpha.test', minVersion: version, maxVersion: version }, port);
      const raw = new RawSocket(socket).send('GET / HTTP/1.1\r\nHost: alpha.test\r\nConnection: close\r\n\r\n');
      expect((await raw.response()).body).toBe('for alpha.test\n');
      socket.destroy();
    });
  });

  test('is refused to who speaks plain HTTP, in plain HTTP', async () => {
    for (const bytes of ['GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n', 'P']) {
      const watch = await edge.watch();
      const raw = await rawClient(edge.port(443));
      raw.send(bytes);
      const { status, fields, body } = await raw.response();
      expect([status, fields.connection, fields['content-type']]).toEqual([
        400,
        'close',
        expect.stringContaining('text/plain'),
      ]);
      expect(body).toContain('plain_http');
      expect(await raw.peerEnd()).toBe('fin');
      raw.end();
      await watch.moved({ 'unnamed edge 400': 1, 'unnamed error plain_http': 1, 'unnamed handshake failed': 1 });
    }
  });

  test('is refused to who speaks anything else in words that TLS clients know', async () => {
    await counts({ failed: 1 }, async () => {
      const raw = await rawClient(edge.port(443));
      raw.send('ssh?');
      expect(await raw.peerEnd()).toBe('fin');
      expect(raw.text).toBe('\x15\x03\x03\x00\x02\x02\x0a');
      raw.end();
    });
  });

  test('that never began is no error, one that broke off is', async () => {
    await counts({ failed: 1 }, async () => {
      (await rawClient(edge.port(443))).end();
      (await rawClient(edge.port(443))).reset();
      const raw = (await rawClient(edge.port(443))).send('\x16\x03\x01\x01\x00');
      raw.end();
      await raw.peerEnd();
    });
  });

  test('that the client gives up, since it does not trust the certificate, is an error', async () => {
    await counts({ 'alpha failed alpha.test': 2 }, async () => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const { output } = await sClient('-servername', 'alpha.test', '-verify_return_error', version);
        expect(output).toContain('certificate verify failed');
      }
    });
  });

  test('has its time, from accept on', async () => {
    const instances = [{ id: 'aa01', port: instance.port }];
    const certificates = [issue(folder, authority, 'slow', ['slow.test'])];
    const limits = { tls_handshake_timeout: '"400ms"' };
    const slow = await Edge.start({
      ports: [443],
      limits,
      certificates,
      apps: [{ name: 'slow', fly: https(), instances }],
    });
    try {
      await counts(
        { failed: 1, 'slow failed slow.test': 1 },
        async () => {
          const silent = await rawClient(slow.port(443));
          const half = (await rawClient(slow.port(443))).send('\x16\x03\x01\x01\x00');
          const hello = await clientHello('slow.test');
          const unfinished = (await rawClient(slow.port(443))).send(hello);
          await Promise.all([silent, half, unfinished].map((raw) => raw.peerEnd()));
          // The edge's own part of the handshake.
          expect([silent.text.length, half.text.length, unfinished.text.length > 100]).toEqual([0, 0, true]);
          for (const raw of [silent, half, unfinished]) raw.destroy();
        },
        slow,
      );
    } finally {
      await slow.stop();
    }
  });
});

test('bytes are exact: records, handshakes and heads count', async () => {
  const relay = await Relay.open(edge.port(443));
  onTestFinished(() => relay.close());
  const of = async () => {
    const page = await edge.scrape();
    const all = ['connects_count', 'disconnects_count'].map((name) =>
      sum(page, `fly_edge_tcp_${name}`, { app: 'one' }),
    );
    const bytes = ['in', 'out'].map((name) => sum(page, `fly_edge_data_${name}`, { app: 'one' }));
    return { opened: all[0]!, closed: all[1]!, sent: bytes[0]!, received: bytes[1]! };
  };
  const before = await of();
  const body = 'x'.repeat(200_000);
  const client = async (maxVersion: 'TLSv1.2' | 'TLSv1.3') => {
    const raw = new RawSocket(await handshake({ servername: 'one.wild.test', maxVersion }, relay.port));
    for (let i = 0; i < 10; i++) {
      raw.send(`POST / HTTP/1.1\r\nHost: one.wild.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      expect((await raw.response()).body.length).toBe(body.length);
      raw.send('GET / HTTP/1.1\r\nHost: one.wild.test\r\n\r\n');
      expect((await raw.response()).status).toBe(200);
    }
    raw.end();
    expect(await raw.peerEnd()).toBe('fin');
  };
  await Promise.all([client('TLSv1.2'), client('TLSv1.3'), client('TLSv1.2'), client('TLSv1.3')]);
  await until(() => relay.closed === 4, 'the relay closed');
  const after = await until(async () => {
    const now = await of();
    return now.closed - before.closed === 4 && now;
  }, 'the edge closed');
  expect(relay.resets).toBe(0);
  const { opened, closed, sent, received } = relay;
  const moved = Object.entries(before).map(([key, value]) => [key, after[key as keyof typeof after] - value]);
  expect(Object.fromEntries(moved)).toEqual({ opened, closed, sent, received });
});

/** One byte at a time, each in a segment of its own as far as the kernel lets it. */
async function dripInto(from: Socket, to: Socket): Promise<void> {
  for await (const chunk of from) {
    for (const byte of chunk as Buffer) {
      if (to.destroyed) return;
      await new Promise((resolve) => to.write(Uint8Array.of(byte), resolve));
      await new Promise(setImmediate);
    }
  }
  to.end();
}

/** The first flight of Node's client. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = connectTls({ host: '127.0.0.1', port: (server.address() as { port: number }).port, servername });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}
