import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeSelfSigned } from '../../../src/base/self-signed.ts';
import { CertificateStore, type TlsVersion } from '../../../src/proxy/tls/certificates.ts';

const entry = (...hostnames: string[]) => ({ ...makeSelfSigned(hostnames), hostnames });

describe('CertificateStore', () => {
  const exact = entry('demo.test');
  const second = entry('demo.test', 'second.test');
  const wildcard = entry('*.demo.test');
  const inner = entry('a.demo.test');
  const store = new CertificateStore([exact, second, wildcard, inner], [randomBytes(48)]);

  test.each([
    ['demo.test', exact],
    ['second.test', second],
    ['b.demo.test', wildcard],
    ['a.demo.test', inner],
    ['b.a.demo.test', null],
    ['.demo.test', null],
    ['other.test', null],
    ['test', null],
    ['*.demo.test', wildcard],
    ['', null],
    [null, null],
  ])('finds %s: exact before wildcard of one label (RFC 9525 6.3), the first of several', (name, found) => {
    expect(store.find(name)).toBe(found);
  });

  test('makes one context for each certificate, range of versions and ticket key', () => {
    const [old, now] = [randomBytes(48), randomBytes(48)];
    const store = new CertificateStore([exact, second], [old]);
    const context = store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], null);
    expect(store.contextFor(exact, ['TLSv1.3', 'TLSv1.2'], null)).toBe(context);
    expect(store.contextFor(exact, ['TLSv1.3'], null)).not.toBe(context);
    expect(store.contextFor(second, ['TLSv1.2', 'TLSv1.3'], null)).not.toBe(context);
    store.setTicketKeys([now, old]);
    const newer = store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], null);
    expect(newer).not.toBe(context);
    expect(store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], old.toString('hex', 0, 16))).toBe(context);
    expect(store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], randomBytes(16).toString('hex'))).toBe(newer);
    store.setTicketKeys([randomBytes(48), now]);
    expect(store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], now.toString('hex', 0, 16))).toBe(newer);
    expect(store.contextFor(exact, ['TLSv1.2', 'TLSv1.3'], old.toString('hex', 0, 16))).not.toBe(context);
  });
});

describe('TLS connections made of its contexts', { timeout: 30_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-tls-'));
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const pair = makeSelfSigned(['demo.test']);

  async function startServer(ticketKeys: Buffer[], versions: TlsVersion[]): Promise<number> {
    const settings = JSON.stringify({ ...pair, ticketKeys: ticketKeys.map((keys) => keys.toString('hex')), versions });
    const script = new URL('./tls-server.ts', import.meta.url).pathname;
    // A further argument, as workers differ in theirs: tls.Server makes its session id context of them.
    const child = spawn(process.execPath, [script, settings, `process ${children.length}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [line] = await once(child.stdout, 'data');
    return Number(line);
  }

  /** What `openssl s_client` says of one connection that the server ends. */
  async function connect(port: number, ...args: string[]): Promise<string> {
    const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'demo.test', ...args]);
    children.push(client);
    let output = '';
    client.stdout.on('data', (chunk) => (output += chunk));
    client.stderr.on('data', (chunk) => (output += chunk));
    await once(client, 'close');
    return output;
  }

  const both: TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

  test.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('resume in another process with the same ticket keys, and only there: %s', async (flag, version) => {
    const keys = randomBytes(48);
    const newer = randomBytes(48);
    const [first, second, rotated, stranger] = await Promise.all([
      startServer([keys], both),
      startServer([keys], both),
      startServer([newer, keys], both),
      startServer([newer], both),
    ]);
    const session = join(folder, version);
    expect(await connect(first, flag, '-alpn', 'http/1.1', '-sess_out', session)).toContain(`New, ${version}`);
    const resumed = await connect(second, flag, '-alpn', 'http/1.1', '-sess_in', session);
    expect(resumed).toContain(`Reused, ${version}`);
    expect(resumed).toContain('ALPN protocol: http/1.1');
    expect(resumed).toContain('served');
    expect(await connect(rotated, flag, '-sess_in', session)).toContain(`Reused, ${version}`);
    expect(await connect(rotated, flag, '-sess_out', session)).toContain(`New, ${version}`);
    // What is new is sealed with the newest key.
    expect(await connect(stranger, flag, '-sess_in', session)).toContain(`Reused, ${version}`);
    expect(await connect(first, flag, '-sess_in', session)).toContain(`New, ${version}`);
    expect(await connect(first, flag, '-sess_out', session)).toContain(`New, ${version}`);
    expect(await connect(stranger, flag, '-sess_in', session)).toContain(`New, ${version}`);
  });

  test.each([
    ['TLSv1.2', '-tls1_3', '-tls1_2'],
    ['TLSv1.3', '-tls1_2', '-tls1_3'],
  ] as const)('speak %s only when only it is allowed', async (version, refused, accepted) => {
    const port = await startServer([randomBytes(48)], [version]);
    expect(await connect(port, refused)).toContain('alert protocol version');
    expect(await connect(port, accepted)).toContain(`New, ${version}`);
  });

  test('end with no_application_protocol when the protocols have none in common', async () => {
    const port = await startServer([randomBytes(48)], both);
    expect(await connect(port, '-alpn', 'h2')).toContain('alert no application protocol');
  });
});
