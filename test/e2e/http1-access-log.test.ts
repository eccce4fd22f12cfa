import { expect, test } from 'vitest';
import type { Edge } from '../helpers/edge.ts';
import { edgeWithRawInstance } from '../helpers/edge-with-instance.ts';
import { sum } from '../helpers/exposition.ts';
import type { RawInstance } from '../helpers/instances.ts';
import { answer, get, request, requestIdPattern } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

let edge: Edge;
let instance: RawInstance;

edgeWithRawInstance(
  (instance) => ({ apps: [{ name: 'demo', instances: [{ id: 'aa', port: instance.port }] }], access: true }),
  (made) => ({ edge, instance } = made),
);

/** The line of a request id, once it is there, and only one. */
async function line(id: string): Promise<Record<string, unknown>> {
  const of = () => edge.accessLog.filter(({ request }) => request === id);
  await until(() => of().length > 0, `the access log line of ${id}`);
  expect(of()).toHaveLength(1);
  return of()[0]!;
}

test('a request is one line with all that is known of it', async () => {
  const client = await rawClient(edge.port());
  client.send(request('POST', '/a?b="c', 'Content-Length: 4\r\n', 'body'));
  const peer = await instance.accept();
  await peer.through('body');
  peer.send(answer('hello'));
  const id = (await client.response()).fields['fly-request-id']!;
  expect(await line(id)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    app: 'demo',
    instance: 'aa',
    client: '127.0.0.1',
    method: 'POST',
    host: 'demo.test',
    path: '/a?b="c',
    status: 200,
    bytesIn: 4,
    bytesOut: 5,
    duration: expect.any(Number),
    wait: expect.any(Number),
    attempts: 1,
    request: id,
    error: '',
  });
  const { duration, wait } = (await line(id)) as { duration: number; wait: number };
  expect(wait).toBeGreaterThan(0);
  expect(duration).toBeGreaterThanOrEqual(wait);
});

test('an error has its code, and no instance when there was none', async () => {
  const client = await rawClient(edge.port());
  client.send(request('GET', '/', '', '', 'other.test'));
  const id = (await client.response()).fields['fly-request-id']!;
  expect(id).toMatch(requestIdPattern);
  expect(await line(id)).toMatchObject({
    app: '',
    instance: '',
    status: 404,
    error: 'unknown_host',
    attempts: 0,
    wait: 0,
  });
});

test('a refused head is a line too', async () => {
  const client = await rawClient(edge.port());
  client.send('nonsense\r\n\r\n');
  const id = (await client.response()).fields['fly-request-id']!;
  expect(await line(id)).toMatchObject({ status: 400, error: 'bad_request', method: '', path: '' });
});

test('an answer that broke off, and a client that left, are told', async () => {
  const client = await rawClient(edge.port());
  client.send(get('/broken'));
  const peer = await instance.accept();
  await peer.through('/broken');
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  await client.through('half');
  peer.destroy();
  await until(() => edge.accessLog.some(({ path }) => path === '/broken'));
  expect(edge.accessLog.find(({ path }) => path === '/broken')).toMatchObject({
    status: 200,
    error: 'instance_broke_off',
    bytesOut: 4,
  });

  const leaver = await rawClient(edge.port());
  leaver.send(get('/left'));
  await (await instance.accept()).through('/left');
  leaver.reset();
  await until(() => edge.accessLog.some(({ path }) => path === '/left'));
  expect(edge.accessLog.find(({ path }) => path === '/left')).toMatchObject({
    status: 0,
    error: 'client_gone',
    instance: 'aa',
  });
});

test('a tunnel is one line at its end, with the bytes that passed', async () => {
  const client = await rawClient(edge.port());
  client.send(get('/tunnel', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  const peer = await instance.accept();
  await peer.through('/tunnel');
  peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n12345');
  const id = (await client.response()).fields['fly-request-id']!;
  client.send('123');
  await peer.through('123');
  client.end();
  peer.end();
  expect(await line(id)).toMatchObject({ status: 101, path: '/tunnel', bytesIn: 3, bytesOut: 5, error: '' });
});

test('a very long path is cut in its line', async () => {
  const client = await rawClient(edge.port());
  client.send(get(`/${'x'.repeat(5000)}`));
  const peer = await instance.accept();
  await peer.through('\r\n\r\n');
  peer.send(answer());
  const id = (await client.response()).fields['fly-request-id']!;
  expect(String((await line(id)).path).length).toBeLessThan(1100);
});

test('whatever a stranger sends, no line of either log is longer than a write that is never torn', async () => {
  const long = 'q'.repeat(3500);
  const client = await rawClient(edge.port());
  client.send(request(long, `/"${'%22"'.repeat(900)}`, '', '', `${long}.test`));
  const id = (await client.response()).fields['fly-request-id']!;
  await line(id);
  await until(() => edge.log.some(({ request }) => request === id), 'the error line');
  for (const entry of [...edge.accessLog, ...edge.log]) expect(JSON.stringify(entry).length).toBeLessThan(4096);
});

test('a status that nobody registered has its class as label, and its number to the client and here', async () => {
  const client = await rawClient(edge.port());
  const statuses = [299, 399, 499, 599, 799, 999];
  for (const status of statuses) {
    client.send(request('GET', '/'));
    const peer = await instance.accept();
    await peer.through('\r\n\r\n');
    peer.send(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const answered = await client.response();
    expect(answered.status).toBe(status);
    expect(await line(answered.fields['fly-request-id']!)).toMatchObject({ status });
  }
  const page = await edge.scrape();
  for (const scope of ['edge', 'app']) {
    const counts = (status: string) => ({
      begun: sum(page, `fly_${scope}_http_responses_count`, { app: 'demo', status }),
      ended: sum(page, `fly_${scope}_http_response_time_seconds_count`, { app: 'demo', status }),
    });
    for (const name of ['2xx', '3xx', '4xx', '5xx']) expect(counts(name)).toEqual({ begun: 1, ended: 1 });
    expect(counts('other')).toEqual({ begun: 2, ended: 2 });
    for (const status of statuses) expect(counts(String(status))).toEqual({ begun: 0, ended: 0 });
  }
});
