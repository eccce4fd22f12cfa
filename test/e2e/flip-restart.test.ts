/** `restart` and SIGHUP with the real program: what changes, what is refused, and that clients do not notice. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { run } from '../cli/helpers.ts';
import { issue, makeAuthority } from '../helpers/certificates.ts';
import { Edge, type EdgeOptions, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { load } from '../helpers/keep-alive-load.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 120_000 });

/** An edge in front of one instance; both end with the test. */
async function serve(options: Partial<EdgeOptions> = {}) {
  const instance = await HttpInstance.start();
  onTestFinished(() => instance.stop());
  const apps = [{ name: 'demo', instances: [{ id: 'aa01', port: instance.port }] }];
  const edge = await Edge.start({ apps, ...options });
  onTestFinished(() => edge.stop());
  return { edge, instance };
}

const twoFaults = /edge\.toml:\d+:1: .*wrong.*\n.*edge\.toml:\d+:1: .*also/;

/** Changes edge.toml, or a file beside it. */
function edit(edge: Edge, change: (text: string) => string, name = 'edge.toml'): void {
  const file = join(edge.file, '..', name);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

const restart = (edge: Edge) => run('restart', '--config', edge.file);
const slots = async (edge: Edge) =>
  (await edge.status()).slots.map(({ colour, generation, state }) => `${colour} ${generation} ${state}`);

async function statusOf(edge: Edge, host: string): Promise<string> {
  const client = await rawClient(edge.port());
  client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await client.peerEnd();
  return client.text.split(' ')[1]!;
}

test('a restart serves a new configuration and tells what changed', async () => {
  const { edge } = await serve({ ports: [80, 81] });
  expect([await statusOf(edge, 'demo.test'), await statusOf(edge, 'new.test')]).toEqual(['200', '404']);
  edit(edge, (text) => text.replace('["demo.test"]', '["new.test"]'));
  edit(
    edge,
    (text) => `${text}${service({ port: 81 }).replace('internal_port = 8080', 'internal_port = 8081')}`,
    'demo.toml',
  );
  const { code, stdout } = await restart(edge);
  expect(stdout.split('\n')).toEqual([
    'slot green, generation 2, serves; generation 1 drains',
    expect.stringMatching(/^version: \d+\.\d+\.\d+$/),
    'apps: 1; changed demo',
    'instances: 1; changed demo/aa01',
    `listeners: 2; added 127.0.0.1:${edge.port(81)}`,
    'certificates: 0',
    '',
  ]);
  expect(code).toBe(0);
  expect([await statusOf(edge, 'demo.test'), await statusOf(edge, 'new.test')]).toEqual(['404', '200']);
});

test('SIGHUP is a restart; with a faulty configuration it leaves all as it was, and the log has every fault', async () => {
  const { edge } = await serve();
  edit(edge, (text) => text.replace('["demo.test"]', '["new.test"]'));
  edge.child.kill('SIGHUP');
  await until(async () => (await slots(edge)).at(-1) === 'green 2 accepting', 'the other slot');
  expect(await statusOf(edge, 'new.test')).toBe('200');
  edit(edge, (text) => text.replace('[log]', 'wrong = 1\n[log]\nalso = 1'));
  edge.child.kill('SIGHUP');
  const failed = () => edge.log.filter(({ msg }) => msg === 'the restart failed').map(({ reason }) => String(reason));
  await until(() => failed().length === 2, 'two faults in the log');
  expect(failed().join('\n')).toMatch(twoFaults);
  expect(await statusOf(edge, 'new.test')).toBe('200');
});

test('what cannot be served is refused with its reason and exit code', async () => {
  const { edge } = await serve({ ports: [80, 81] });
  const original = readFileSync(edge.file, 'utf8');
  const attempt = async (change: (text: string) => string) => {
    edit(edge, change);
    const result = await restart(edge);
    writeFileSync(edge.file, original);
    expect(result.stdout).toBe('');
    return result;
  };
  const faulty = await attempt((text) => text.replace('[log]', 'wrong = 1\n[log]\nalso = 1'));
  expect(faulty.stderr).toMatch(twoFaults);
  expect(faulty.code).toBe(2);
  const certificate = await attempt((text) => `${text}\n[[certificates]]\ncert = "no.crt"\nkey = "no.key"\n`);
  expect(certificate.stderr).toContain('no.crt');
  expect(certificate.code).toBe(2);
  const region = await attempt((text) => text.replace('"lab"', '"other"'));
  expect(region.stderr).toBe(
    'fly-edge: region cannot change while the edge runs: write the old value, or stop it and run it again\n',
  );
  expect(region.code).toBe(1);
  const other = net.createServer().listen(edge.port(81), '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const taken = await attempt((text) => text.replace('{ 80 = ', `{ 80 = ${edge.port(81)}, 82 = `));
  expect(taken.stderr).toBe(
    `fly-edge: 127.0.0.1:${edge.port(81)} is in use by another process, pid ${process.pid} (node)\n`,
  );
  expect(taken.code).toBe(1);
  expect(await slots(edge)).toEqual(['blue 1 accepting']);
  expect(await statusOf(edge, 'demo.test')).toBe('200');
  expect(sum(await edge.scrape(), 'fly_slot_flips_count', { result: 'refused' })).toBe(2);
});

test('nobody to restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'edge.toml');
  writeFileSync(file, 'region = "iad"\nhost = "2bc3"\n');
  for (const command of ['restart', 'upgrade']) {
    const { code, stderr } = await run(command, '--config', file);
    expect(stderr).toContain('no edge is running');
    expect(code).toBe(1);
  }
});

test("a removed port is refused at once, and its raw connections drain in the slot's own time", async () => {
  const echo = net.createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  onTestFinished(() => void echo.close());
  const { port } = echo.address() as net.AddressInfo;
  const raw = service({ port: 5000, handlers: [], type: 'connections' });
  const { edge } = await serve({
    ports: [80, 5000],
    apps: [
      { name: 'demo', instances: [] },
      { name: 'raw', fly: raw, instances: [{ id: 'bb01', port }] },
    ],
  });
  const client = await rawClient(edge.port(5000));
  client.send('before');
  await client.through('before');
  edit(edge, (text) => text.slice(0, text.lastIndexOf('[[apps]]')));
  const { stdout } = await restart(edge);
  expect(stdout).toContain(`listeners: 1; removed 127.0.0.1:${edge.port(5000)}`);
  expect(stdout).toContain('apps: 1; removed raw');
  const refused = net.connect(edge.port(5000), '127.0.0.1');
  await once(refused, 'error');
  client.send('after');
  await client.through('after');
  client.destroy();
  await until(async () => (await slots(edge)).join() === 'green 2 accepting', 'the drain ends');
});

test('no counter falls, and both colours together are what clients did, over flips under load', async () => {
  const { edge, instance } = await serve({ workers: 2 });
  const clients = load(edge.port(), 4, { host: 'demo.test' });
  const served = async (filter: Record<string, string> = {}) =>
    sum(await edge.scrape(), 'fly_edge_http_responses_count', { status: '200', ...filter });
  let last = 0;
  for (let flip = 0; flip < 4; flip++) {
    const before = clients.succeeded();
    await until(() => clients.succeeded() > before + 20, 'load');
    expect((await restart(edge)).code).toBe(0);
    const now = await served();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    await until(async () => (await slots(edge)).length < 4, 'drains');
  }
  const done = await clients.stop();
  expect(instance.requests).toBe(done);
  await until(async () => (await served()) >= done, 'all counts');
  expect(await served()).toBe(done);
  for (const colour of ['blue', 'green']) expect(await served({ proxy_id: colour })).toBeGreaterThan(0);
});

test.for([
  ['-tls1_2', 'TLSv1.2'],
  ['-tls1_3', 'TLSv1.3'],
])('TLS sessions resume in the other slot: %s', async ([flag, version]) => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const instance = await HttpInstance.start();
  onTestFinished(() => instance.stop());
  const { edge } = await serve({
    ports: [443],
    certificates: [issue(folder, makeAuthority(folder), 'demo', ['demo.test'])],
    apps: [
      {
        name: 'demo',
        fly: service({ port: 443, handlers: ['tls', 'http'] }),
        instances: [{ id: 'aa01', port: instance.port }],
      },
    ],
  });
  const session = join(folder, 'session');
  const connect = (...args: string[]) => openssl(edge.port(443), flag!, ...args);
  expect(await connect('-sess_out', session)).toContain(`New, ${version}`);
  expect((await restart(edge)).code).toBe(0);
  expect(await connect('-sess_in', session)).toContain(`Reused, ${version}`);
  expect((await restart(edge)).code).toBe(0);
  expect(await connect('-sess_in', session)).toContain(`Reused, ${version}`);
});

/** What `openssl s_client` says of one connection with one request. */
async function openssl(port: number, ...args: string[]): Promise<string> {
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'demo.test', ...args]);
  let output = '';
  for (const stream of [client.stdout, client.stderr]) stream.on('data', (chunk) => (output += chunk));
  client.stdin.write('GET / HTTP/1.1\r\nHost: demo.test\r\nConnection: close\r\n\r\n');
  await once(client, 'close');
  return output;
}
