/** Which certificate a client gets: without a server name, of two kinds of keys, and self-signed. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Certificate, issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, service } from '../helpers/edge.ts';
import { select } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { RawSocket } from '../helpers/raw.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const ports = { one: 443, self: 8443, strict: 8444, mixed: 8445, kinds: 8446, raw: 6001 };
let folder: string;
let authority: Certificate;
let instance: HttpInstance;
let edge: Edge;

const tls = (port: number, options = '', handlers = ['tls', 'http']) =>
  service({ port, handlers, more: options && `tls_options = { ${options} }` });
const selfSigned = 'default_self_signed = true';
const only = (version: string) => `versions = ["${version}"]`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fly-edge-certificates-'));
  authority = makeAuthority(folder);
  instance = await HttpInstance.start();
  const instances = [{ id: 'aa01', port: instance.port }];
  const many = Array.from({ length: 1700 }, (_, i) => `host${i}.${'long'.repeat(10)}.test`);
  edge = await Edge.start({
    workers: 2,
    ports: Object.values(ports),
    certificates: [
      issue(folder, authority, 'one', ['one.test']),
      issue(folder, authority, 'strict', ['strict.test']),
      issue(folder, authority, 'kinds-ec', ['kinds.test']),
      issue(folder, authority, 'kinds-rsa', ['kinds.test'], 'rsa'),
      issue(folder, authority, 'raw', ['raw.test', 'rats.test']),
    ],
    apps: [
      { name: 'one', hostnames: ['bare.test', 'one.test'], fly: tls(ports.one), instances },
      {
        name: 'self',
        hostnames: ['self.test', 'more.test', '127.0.0.1', '::1'],
        fly: tls(ports.self, selfSigned),
        instances,
      },
      { name: 'strict', fly: tls(ports.strict, only('TLSv1.3')), instances },
      { name: 'old', fly: tls(ports.mixed, `${selfSigned}, ${only('TLSv1.2')}`), instances },
      { name: 'new', fly: tls(ports.mixed, `${selfSigned}, ${only('TLSv1.3')}`), instances },
      { name: 'many', hostnames: many, fly: tls(ports.mixed, selfSigned), instances },
      { name: 'kinds', fly: tls(ports.kinds), instances },
      { name: 'raw', fly: tls(ports.raw, '', ['tls']), instances },
      { name: 'rats', fly: tls(ports.raw, '', ['tls']), instances },
    ],
  });
});

afterAll(async () => {
  await edge?.stop();
  await instance?.stop();
  rmSync(folder, { recursive: true });
});

async function handshake(app: keyof typeof ports, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port: edge.port(ports[app]), rejectUnauthorized: false, ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

const namesOf = (socket: TLSSocket) => socket.getPeerCertificate().subjectaltname;

async function asked(socket: TLSSocket, host: string): Promise<number> {
  return (await new RawSocket(socket).send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).response()).status;
}

function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, (_error, stdout, stderr) => resolve(stdout + stderr)).stdin!.end();
  });
}

async function counted(): Promise<Record<string, number>> {
  const page = await edge.scrape();
  const all: Record<string, number> = {};
  for (const name of ['handshake_errors', 'handshake_time_seconds_count']) {
    for (const { labels, value } of select(page, `fly_edge_tls_${name}`)) {
      const key = `${labels.app}/${labels.version ?? labels.servername}`;
      all[key] = (all[key] ?? 0) + value;
    }
  }
  return all;
}

describe('without a server name', () => {
  test("the port's only app has its certificate shown, and its handshakes and errors counted", async () => {
    const before = await counted();
    const socket = await handshake('one');
    expect(namesOf(socket)).toBe('DNS:one.test');
    expect(await asked(socket, 'one.test')).toBe(200);
    await expect(handshake('one', { ALPNProtocols: ['h2'] })).rejects.toThrow('no application protocol');
    const after = await counted();
    expect(after['one/TLSv1.3']! - (before['one/TLSv1.3'] ?? 0)).toBe(1);
    expect(after['one/']! - (before['one/'] ?? 0)).toBe(1);
    expect(after['/']).toBe(before['/']);
  });

  test("the port's only app decides the versions, too", async () => {
    await expect(handshake('strict', { maxVersion: 'TLSv1.2' })).rejects.toThrow('protocol version');
    expect((await handshake('strict')).getProtocol()).toBe('TLSv1.3');
  });

  test('an app of several is misdirected over a version that it does not take', async () => {
    const older = await handshake('mixed', { maxVersion: 'TLSv1.2' });
    expect(await asked(older, 'new.test')).toBe(421);
    expect(await asked(older, 'old.test')).toBe(200);
    const newer = await handshake('mixed');
    expect(await asked(newer, 'old.test')).toBe(421);
    expect(await asked(newer, 'new.test')).toBe(200);
  });

  test('a port of several apps that do not speak HTTP has nobody to offer', async () => {
    await expect(handshake('raw')).rejects.toThrow('unrecognized name');
    expect(namesOf(await handshake('raw', { servername: 'rats.test' }))).toContain('rats.test');
  });
});

describe('a self-signed certificate', () => {
  test('names what was asked for, and nothing of others', async () => {
    const names = async (servername?: string) =>
      namesOf(await handshake('mixed', servername === undefined ? {} : { servername }));
    expect(await names('old.test')).toBe('DNS:old.test');
    expect(await names('new.test')).toBe('DNS:new.test');
    expect(await names('stranger.test')).toBe('DNS:localhost');
    expect(await names()).toBe('DNS:localhost');
    const long = `host1699.${'long'.repeat(10)}.test`;
    expect(await names(long)).toBe(`DNS:${long}`);
  });

  test('has addresses as addresses, and is the same in each worker and slot', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 24; i++) {
      if (i === 12) await edge.restart();
      const socket = await handshake('self');
      expect(namesOf(socket)).toBe('DNS:self.test, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
      seen.add(socket.getPeerCertificate().fingerprint256);
    }
    expect(seen.size).toBe(1);
    expect(namesOf(await handshake('self', { servername: 'more.test' }))).toContain('DNS:more.test, IP Address:127.');
  });
});

describe('two certificates for one name', () => {
  test.for(['TLSv1.2', 'TLSv1.3'] as const)('%s: the client gets the one whose key it knows', async (version) => {
    const kind = async (sigalgs: string) => {
      const socket = await handshake('kinds', {
        servername: 'kinds.test',
        minVersion: version,
        maxVersion: version,
        sigalgs,
      });
      return socket.getPeerCertificate().bits;
    };
    expect(await kind('ecdsa_secp256r1_sha256')).toBe(256);
    expect(await kind('rsa_pss_rsae_sha256:RSA+SHA256')).toBe(2048);
  });

  test('no suite is without forward secrecy or with CBC', async () => {
    const at = `127.0.0.1:${edge.port(ports.kinds)}`;
    for (const suite of ['AES128-GCM-SHA256', 'AES256-SHA', 'ECDHE-RSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384']) {
      const args = [
        's_client',
        '-connect',
        at,
        '-servername',
        'kinds.test',
        '-tls1_2',
        '-cipher',
        `${suite}@SECLEVEL=0`,
      ];
      expect(await run('openssl', ...args), suite).toContain('handshake failure');
    }
    const output = await run('sslscan', '--no-colour', '--sni-name=kinds.test', at);
    const suites = [...output.matchAll(/^(?:Preferred|Accepted) +(TLSv1\.\d) +\d+ bits +(\S+)/gm)];
    expect(suites.length).toBeGreaterThan(5);
    for (const [, , suite] of suites) expect(suite).toMatch(/^(TLS_.*_(GCM|POLY1305)_|ECDHE-.*(GCM|POLY1305))/);
  });
});

test('a certificate with IP addresses only is for who connects to them; else the default one is shown', async () => {
  const shown = async () => {
    const socket = await handshake('mixed');
    return namesOf(socket);
  };
  const standard = { ...issue(folder, authority, 'default', ['default.test']), default: true };
  await edge.reconfigure({ certificates: [standard] });
  expect(await shown()).toBe('DNS:default.test');
  await edge.reconfigure({ certificates: [standard, issue(folder, authority, 'address', ['127.0.0.1'])] });
  expect(await shown()).toBe('IP Address:127.0.0.1');
});
