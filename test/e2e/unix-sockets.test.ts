import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Edge, type EdgeOptions, service } from '../helpers/edge.ts';
import { RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'fly-edge-unix-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function listening<T extends Server>(server: T, path: string): Promise<T> {
  await once(server.listen(path), 'listening');
  onTestFinished(() => void server.close());
  return server;
}

async function started(options: EdgeOptions): Promise<Edge> {
  const edge = await Edge.start(options);
  onTestFinished(() => edge.stop());
  return edge;
}

/** An HTTP server that answers with what it got. */
async function echo(path: string) {
  const heads: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    heads.push(request.headers);
    request.pipe(response);
  });
  server.keepAliveTimeout = 600_000;
  let connections = 0;
  server.on('connection', () => connections++);
  onTestFinished(() => server.closeAllConnections());
  await listening(server, path);
  return { heads, connections: () => connections };
}

/** A raw server whose connections the test plays. */
async function raw(path: string) {
  const connections: RawSocket[] = [];
  await listening(
    createTcpServer({ allowHalfOpen: true }, (socket) => {
      onTestFinished(() => void socket.destroy());
      connections.push(new RawSocket(socket));
    }),
    path,
  );
  return {
    accept: () => until(() => connections.shift(), 'a connection from the edge'),
  };
}

const tcp = (port: number, more = '') =>
  service({ port, handlers: more === '' ? [] : ['proxy_proto'], type: 'connections', more });

test('HTTP over a unix socket: bodies both ways, kept connections or one for each, the client named, all counted', async () => {
  const path = join(folder(), 'app.sock');
  const instance = await echo(path);
  const edge = await started({
    apps: [
      { name: 'pooled', instances: [{ id: '1a', host: `unix:${path}` }] },
      { name: 'single', fly: service({ type: 'connections' }), instances: [{ id: '1a', host: `unix:${path}` }] },
    ],
  });
  const watch = await edge.watch();
  // More than a socket's buffers hold.
  const body = 'x'.repeat(8 * 1024 * 1024);
  for (const [app, connections] of [
    ['pooled', 1],
    ['single', 4],
  ] as const) {
    for (let i = 0; i < 3; i++) {
      const client = await rawClient(edge.port());
      const sent = i === 0 ? body : 'small';
      client.send(`POST / HTTP/1.1\r\nHost: ${app}.test\r\nContent-Length: ${sent.length}\r\n\r\n${sent}`);
      const response = await client.response();
      expect([response.status, response.fields['transfer-encoding']]).toEqual([200, 'chunked']);
      expect(response.body.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').length - 2).toBe(sent.length);
      client.destroy();
    }
    expect(instance.connections()).toBe(connections);
  }
  expect(instance.heads[0]).toMatchObject({ 'fly-client-ip': '127.0.0.1', 'x-forwarded-for': '127.0.0.1' });
  await watch.moved({ 'edge 200': 6, 'app 200': 6, 'edge connects': 6, 'app connects': 4 });
}, 60_000);

test('raw TCP over a unix socket: half-close both ways, PROXY header, a reset client, a cut at the end of a drain', async () => {
  const dir = folder();
  const paths = ['a.sock', 'b.sock'].map((name) => join(dir, name));
  const [plain, proxied] = await Promise.all([raw(paths[0]!), raw(paths[1]!)]);
  const edge = await started({
    ports: [81, 82],
    websocketDrainTimeout: '500ms',
    apps: [
      { name: 'plain', fly: tcp(81), instances: [{ id: '1a', host: `unix:${paths[0]}` }] },
      {
        name: 'proxied',
        fly: tcp(82, 'proxy_proto_options = { version = "v1" }'),
        instances: [{ id: '1a', host: `unix:${paths[1]}` }],
      },
    ],
  });
  const client = await rawClient(edge.port(81));
  client.send('question').end();
  const instance = await plain.accept();
  expect(await instance.through('question')).toBe('question');
  expect(await instance.peerEnd()).toBe('fin');
  instance.send('answer').end();
  expect(await client.through('answer')).toBe('answer');
  expect(await client.peerEnd()).toBe('fin');

  const named = await rawClient(edge.port(82));
  const header = await (await proxied.accept()).through('\r\n');
  expect(header).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${named.socket.localPort} ${edge.port(82)}\r\n`);
  named.reset();

  const gone = await rawClient(edge.port(81));
  gone.send('x');
  const left = await plain.accept();
  await left.through('x');
  gone.reset();
  // A unix socket knows no RST.
  await until(() => left.ended !== 'no', 'the end of it');

  const cut = await rawClient(edge.port(81));
  cut.send('y');
  const other = await plain.accept();
  await other.through('y');
  await edge.restart();
  expect(await cut.peerEnd()).toBe('reset');
  await until(() => other.ended !== 'no', 'the end of it');
  await edge.drained();
}, 60_000);

test('an Upgrade over a unix socket is a tunnel', async () => {
  const path = join(folder(), 'app.sock');
  const instance = await raw(path);
  const edge = await started({ apps: [{ name: 'demo', instances: [{ id: '1a', host: `unix:${path}` }] }] });
  const client = await rawClient(edge.port());
  client.send('GET / HTTP/1.1\r\nHost: demo.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const connection = await instance.accept();
  await connection.head();
  connection.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
  expect((await client.response()).status).toBe(101);
  expect(await client.through('hello')).toBe('hello');
  client.send('back');
  expect(await connection.through('back')).toBe('back');
  connection.end();
  client.end();
  await client.peerEnd();
}, 60_000);

test('a socket that is not there, that nobody listens at, or that is none: another instance, else 502; later it serves', async () => {
  const dir = folder();
  const [missing, dead, file, good] = ['missing', 'dead', 'file', 'good'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(file, '');
  // Its file stays when a process is killed.
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await once(child, 'exit');
  await echo(good);
  const app = (name: string, ...paths: string[]) => ({
    name,
    instances: paths.map((path, i) => ({ id: `${i}a`, host: `unix:${path}` })),
  });
  const edge = await started({
    limits: { eject_failures: 0 },
    apps: [app('missing', missing), app('dead', dead), app('file', file), app('mixed', missing, dead, good)],
  });
  const watch = await edge.watch();
  const get = async (name: string): Promise<string> => {
    const client = await rawClient(edge.port());
    client.send(`GET / HTTP/1.1\r\nHost: ${name}.test\r\n\r\n`);
    const { status, body } = await client.response();
    client.destroy();
    return `${status} ${body.split(':')[0]}`;
  };
  expect(await get('missing')).toBe('502 instance_connect');
  expect(await get('dead')).toBe('502 instance_connect');
  expect(await get('file')).toBe('502 instance_connect');
  for (let i = 0; i < 4; i++) expect(await get('mixed')).toMatch(/^200/);
  await watch.moved({ 'edge 502': 3, 'error instance_connect': 3, 'edge 200': 4, 'app 200': 4 });
  const details = edge.log.filter(({ code }) => code === 'instance_connect').map(({ detail }) => detail);
  expect(details).toEqual(['ENOENT', 'ECONNREFUSED', 'ECONNREFUSED']);
  await echo(missing);
  expect(await get('missing')).toMatch(/^200/);
}, 60_000);

test('an instance whose backlog is full for a moment is waited for, as over TCP', async () => {
  const path = join(folder(), 'app.sock');
  const child = busyInstance(path);
  await once(child.stdout!, 'data');
  const edge = await started({
    apps: [{ name: 'demo', fly: service({ type: 'connections' }), instances: [{ id: '1a', host: `unix:${path}` }] }],
  });
  const watch = await edge.watch();
  process.kill(child.pid!, 'SIGSTOP');
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(edge.port())));
  for (const client of clients) client.send('GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n');
  // All are there, and the kernel keeps two of them.
  await until(async () => inFlight(await edge.status()) === 20, 'all requests');
  process.kill(child.pid!, 'SIGCONT');
  for (const client of clients) expect((await client.response()).status).toBe(200);
  for (const client of clients) client.destroy();
  await watch.moved({ 'edge 200': 20, 'app 200': 20, 'app connects': 20 });
}, 60_000);

const inFlight = ({ instances }: Awaited<ReturnType<Edge['status']>>): number => instances[0]!.inFlight;

/** One with room for hardly any connection that it has not accepted. */
function busyInstance(path: string): ChildProcess {
  const program = `require('http').createServer((q, r) => r.end('ok')).listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}
