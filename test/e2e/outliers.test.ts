import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { Edge, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { request } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
let good: HttpInstance;
/** Accepts, reads, and then does this. */
let bad: Server;
let behave: (socket: Socket) => void;
let badRequests = 0;

const reset = (socket: Socket) => socket.resetAndDestroy();
const half = (socket: Socket) => {
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  setImmediate(() => socket.resetAndDestroy());
};
const answerWell = (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad');

beforeAll(async () => {
  good = await HttpInstance.start(
    (_request, response) => void response.writeHead(200, { 'content-length': 4 }).end('good'),
  );
  bad = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      badRequests++;
      behave(socket);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => bad.once('listening', resolve));
  const port = (bad.address() as { port: number }).port;
  const [nobody] = (await freePorts(1)) as [number];
  const check = '[[services.tcp_checks]]\ninterval = "50ms"\ngrace_period = 0\n';
  const pair = [
    { id: 'good', port: good.port },
    { id: 'bad', port },
  ];
  edge = await Edge.start({
    apps: [
      { name: 'pair', fly: service({ checks: check }), instances: pair },
      { name: 'half', fly: service(), instances: pair },
      {
        name: 'crash',
        fly: service(),
        instances: [
          { id: 'a', port },
          { id: 'b', port },
          { id: 'c', port },
        ],
      },
      { name: 'alone', fly: service(), instances: [{ id: 'a', port }] },
      { name: 'raw', fly: service({ port: 5432, handlers: [], type: 'connections' }), instances: pair },
      {
        name: 'gone',
        fly: service({ port: 5433, handlers: [], type: 'connections' }),
        instances: [pair[0]!, { id: 'bad', port: nobody }],
      },
    ],
    ports: [80, 5432, 5433],
    workers: 2,
    limits: { eject_pause: '"300ms"' },
  });
});
afterAll(async () => {
  await edge.stop();
  bad.close();
  await good.stop();
});

async function ask(app: string): Promise<string> {
  const client = await rawClient(edge.port());
  client.send(request('GET', '/', 'Connection: close\r\n', '', `${app}.test`));
  await client.peerEnd();
  const [, status] = client.text.split(' ');
  return `${status} ${client.text.slice(-4)}`;
}

const passive = async (app: string, instance: string) =>
  (await edge.status()).instances.find((one) => one.app === app && one.instance === instance)!.passive;
const series = async (app: string, check: string) =>
  sum(await edge.scrape(), 'fly_app_instance_healthy', { app, instance: 'bad', check });

test.each([
  ['pair', reset],
  ['half', half],
] as const)('an instance that fails each request (%s) is ejected, and comes back by a trial', async (app, how) => {
  expect(await series(app, 'passive')).toBe(1);
  expect(await series(app, 'service')).toBe(1);
  behave = how;
  const before = badRequests;
  await until(async () => {
    await ask(app);
    return (await passive(app, 'bad')) === 'ejected';
  });
  expect(await series(app, 'passive')).toBe(0);
  expect(await series(app, 'service')).toBe(1);
  const answers = [];
  for (let i = 0; i < 200; i++) answers.push(await ask(app));
  const failed = answers.filter((answer) => answer !== '200 good').length;
  // What ejected it, and then trials: one of each worker after pauses that double.
  expect(badRequests - before).toBeLessThan(30);
  expect(failed).toBeLessThan(15);
  behave = answerWell;
  await until(async () => {
    await ask(app);
    return (await passive(app, 'bad')) === 'healthy';
  });
  expect(await series(app, 'passive')).toBe(1);
});

test('where all fail, some serve on: of three one is out, and one alone never', async () => {
  behave = reset;
  for (let i = 0; i < 40; i++) {
    expect(await ask('crash')).toMatch(/^502/);
    expect(await ask('alone')).toMatch(/^502/);
  }
  const { instances } = await edge.status();
  expect(instances.filter((one) => one.app === 'crash' && one.passive === 'healthy').length).toBeGreaterThanOrEqual(2);
  expect(await passive('alone', 'a')).toBe('healthy');
});

test.each([
  ['raw', 5432],
  ['gone', 5433],
] as const)('raw connections eject an instance, too (%s), in both slots', async (app, port) => {
  behave = reset;
  await until(async () => {
    const client = await rawClient(edge.port(port));
    client.send('hello\r\n\r\n');
    await client.peerEnd();
    return (await passive(app, 'bad')) === 'ejected';
  });
  await edge.restart();
  expect(await passive(app, 'bad')).not.toBe('healthy');
  await edge.drained();
  // The gauge has gone with the generation before.
  const serving = (await edge.status()).slots.map(({ colour }) => colour);
  const page = (await edge.scrape()).get('fly_app_instance_healthy')!;
  expect([...new Set(page.map(({ labels }) => labels.proxy_id))]).toEqual(serving);
});

test('clients that leave eject nobody', async () => {
  let open = 0;
  behave = () => void open++;
  const before = (await edge.status()).instances.filter(({ passive }) => passive === 'ejected').length;
  for (let i = 0; i < 20; i++) {
    const client = await rawClient(edge.port());
    client.send(request('GET', '/', '', '', 'alone.test'));
    await until(() => open === i + 1);
    client.reset();
  }
  expect(await passive('alone', 'a')).toBe('healthy');
  expect((await edge.status()).instances.filter(({ passive }) => passive === 'ejected').length).toBeLessThanOrEqual(
    before,
  );
});
