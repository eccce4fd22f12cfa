import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { request } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
/** Its check passes while `good`. */
let checked: HttpInstance;
let good = true;
let checks = 0;
let steady: HttpInstance;
/** Listens or not. */
let door: HttpInstance;

const times = 'interval = "50ms"\ntimeout = "500ms"\ngrace_period = 0\n';
const httpCheck = `[[services.http_checks]]\n${times}path = "/health"\nmethod = "get"\nheaders = { X-Check = "yes" }\n`;
const tcpCheck = `[[services.tcp_checks]]\n${times}`;

beforeAll(async () => {
  checked = await HttpInstance.start((request, response) => {
    if (request.url !== '/health') return void response.writeHead(200, { 'content-length': 7 }).end('checked');
    checks++;
    response.writeHead(good && request.headers['x-check'] === 'yes' ? 204 : 503).end();
  });
  steady = await HttpInstance.start((request, response) => {
    if (request.url === '/health') response.writeHead(204).end();
    else response.writeHead(200, { 'content-length': 6 }).end('steady');
  });
  door = await HttpInstance.start(
    (_request, response) => void response.writeHead(200, { 'content-length': 4 }).end('door'),
  );
  edge = await Edge.start({
    apps: [
      {
        name: 'pair',
        fly: service({ checks: httpCheck }),
        instances: [
          { id: 'checked', port: checked.port },
          { id: 'steady', port: steady.port },
        ],
      },
      { name: 'alone', fly: service({ checks: httpCheck }), instances: [{ id: 'checked', port: checked.port }] },
      { name: 'door', fly: service({ checks: tcpCheck }), instances: [{ id: 'door', port: door.port }] },
    ],
    workers: 2,
  });
});
afterAll(async () => {
  await edge.stop();
  await Promise.all([checked.stop(), steady.stop(), door.stop().catch(() => {})]);
});

/** Changes of an app's instance, as logged. */
const changes = (app: string) =>
  edge.log.filter((line) => line.app === app && /^instance is /.test(String(line.msg))).map(({ msg }) => msg);

async function ask(app: string): Promise<{ status: number; body: string }> {
  const client = await rawClient(edge.port());
  client.send(request('GET', '/', 'Connection: close\r\n', '', `${app}.test`));
  const { status, body } = await client.response();
  client.end();
  return { status, body };
}

test('an http check gates its instance: one line for each change, all workers follow, no series moves', async () => {
  await until(() => checks > 2);
  const quiet = await edge.watch();
  await quiet.moved({ 'app connects': 0, 'edge connects': 0 });
  const before = changes('alone').length;

  good = false;
  await until(() => changes('alone').length === before + 1);
  expect(changes('alone').at(-1)).toBe('instance is unhealthy');
  await until(async () =>
    (await Promise.all([1, 2, 3, 4].map(() => ask('alone')))).every(({ status }) => status === 503),
  );
  const watch = await edge.watch();
  expect(await ask('alone')).toMatchObject({ status: 503, body: expect.stringMatching(/^no_instance: /) });
  for (let i = 0; i < 10; i++) expect(await ask('pair')).toMatchObject({ status: 200, body: 'steady' });
  await watch.moved({ 'edge 503': 1, 'error no_instance': 1, 'edge 200': 10, 'app 200': 10 });

  good = true;
  await until(() => changes('alone').length === before + 2);
  expect(changes('alone').at(-1)).toBe('instance is healthy');
  await until(async () =>
    (await Promise.all([1, 2, 3, 4].map(() => ask('alone')))).every(({ status }) => status === 200),
  );
  const seen = checks;
  await until(() => checks > seen + 3);
  expect(changes('alone')).toHaveLength(before + 2);
});

test('a tcp check gates its instance', async () => {
  expect(await ask('door')).toMatchObject({ status: 200, body: 'door' });
  const { port } = door;
  const before = changes('door').length;
  await door.stop();
  await until(() => changes('door').length === before + 1);
  await until(async () => (await ask('door')).status === 503);
  const again: Server = createServer((socket) => void socket.destroy()).listen(port, '127.0.0.1');
  await until(() => changes('door').length === before + 2);
  // It accepts, which is all that this check asks, but answers nothing.
  await until(async () => (await ask('door')).status === 502);
  expect(changes('door').slice(-2)).toEqual(['instance is unhealthy', 'instance is healthy']);
  await new Promise((resolve) => again.close(resolve));
});
