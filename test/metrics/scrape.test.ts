import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { MetricId } from '../../src/metrics/catalogue.ts';
import { createScrapeServer, type ScrapeOptions } from '../../src/metrics/scrape.ts';
import { pageRoute } from '../../src/page/serve.ts';
import { parseExposition, sum } from '../helpers/exposition.ts';
import { pageText, storeAt, workerOf } from './helpers.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

function appsStore(instances = 1) {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  for (const app of ['a', 'b', '']) {
    recorder.add(recorder.series(MetricId.edgeDataIn, [app]), 5);
    for (let i = 0; i < instances; i++) recorder.observe(recorder.series(MetricId.appConnectTime, [app, `i${i}`]), 0.5);
  }
  ship();
  return store;
}

async function start(options: Partial<ScrapeOptions> = {}): Promise<number> {
  server = createScrapeServer({
    store: appsStore(),
    hosts: () => [],
    scopeOf: (org) => (org === 'personal' ? { apps: new Set(['a']), unowned: false } : undefined),
    serving: () => true,
    beforeScrape: async () => {},
    append: async (scope) => (scope === undefined || scope.unowned ? 'process_up 1\n' : ''),
    discover: () => [],
    page: pageRoute('live'),
    ...options,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

async function get(
  port: number,
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
  localAddress = '127.0.0.1',
): Promise<Answer> {
  const sent = request({ host: '127.0.0.1', port, path, method, headers, localAddress, agent: new Agent() }).end();
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = await response.toArray();
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

test('the page is text format 0.0.4, whatever Accept says, after the workers have reported', async () => {
  const store = appsStore();
  let reported = 0;
  const port = await start({ store, beforeScrape: async () => void (reported += 1) });
  const answer = await get(port, '/metrics', 'GET', { accept: 'application/openmetrics-text; version=1.0.0' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(answer.headers['content-encoding']).toBeUndefined();
  expect(answer.body.toString()).toBe(`${pageText(store)}process_up 1\n`);
  expect(reported).toBe(1);
});

test('gzip when it is asked for', async () => {
  const store = appsStore(200);
  const port = await start({ store });
  const plain = await get(port, '/metrics', 'GET', { 'accept-encoding': 'gzip;q=0' });
  const packed = await get(port, '/metrics', 'GET', { 'accept-encoding': 'gzip' });
  expect(plain.headers['content-encoding']).toBeUndefined();
  expect(packed.headers['content-encoding']).toBe('gzip');
  expect(packed.headers.vary).toBe('Accept-Encoding');
  expect(packed.body.length).toBeLessThan(plain.body.length / 5);
  expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
});

test('HEAD has the headers of GET and no body', async () => {
  const port = await start();
  const answer = await get(port, '/metrics', 'HEAD', { 'accept-encoding': 'gzip' });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toContain('version=0.0.4');
  expect(answer.headers['content-encoding']).toBe('gzip');
  expect(answer.body.length).toBe(0);
});

test("one organization's page has its apps alone", async () => {
  const port = await start();
  const page = parseExposition((await get(port, '/metrics?org=personal')).body.toString());
  expect(new Set([...page.values()].flat().map(({ labels }) => labels.app))).toEqual(new Set(['a']));
  expect(sum(page, 'fly_edge_data_in')).toBe(5);
  expect(page.has('process_up')).toBe(false);
});

test('a page in parts: those that there are, and no other', async () => {
  const apps = new Set(Array.from({ length: 60 }, (_, i) => `app-${i}`));
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  for (const app of apps)
    for (let i = 0; i < 60; i++)
      recorder.observe(recorder.series(MetricId.appConnectTime, [app, `instance-${i}`]), 0.5);
  ship();
  const port = await start({ store, scopeOf: (org) => (org === 'personal' ? { apps, unowned: false } : undefined) });
  const page = async (query: string) => (await get(port, `/metrics?${query}`)).body.toString();
  const samples = (text: string) => text.split('\n').filter((line) => line.startsWith('fly_'));
  const parts: string[] = [];
  for (;;) {
    const { status, body } = await get(port, `/metrics?part=${parts.length}&org=personal`);
    if (status === 404) break;
    parts.push(String(body));
  }
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.flatMap(samples).toSorted()).toEqual(samples(await page('org=personal')).toSorted());
  for (const wrong of [String(parts.length), '-1', '', 'x', '0x0', '1.0', '%C2%A00', '99999999999999999999']) {
    const { status, body } = await get(port, `/metrics?org=personal&part=${wrong}`);
    expect([wrong, status, String(body)]).toEqual([wrong, 404, 'unknown part\n']);
  }
  expect((await get(port, '/metrics?org=nobody&part=0')).status).toBe(404);
});

test("an operator's page has what belongs to no app too, and other organizations' apps not", async () => {
  const port = await start({ scopeOf: () => ({ apps: new Set(['a']), unowned: true }) });
  const page = parseExposition((await get(port, '/metrics?org=personal')).body.toString());
  expect(new Set([...page.values()].flat().map(({ labels }) => labels.app))).toEqual(new Set(['a', '', undefined]));
});

test('what there is to scrape is JSON, and names this server as the asker does', async () => {
  const discover = (self: string | null) => [{ targets: [self ?? 'unknown'], labels: { org: 'a' } }];
  const port = await start({ discover, hosts: () => ['edge.internal'] });
  const named = await get(port, '/sd', 'GET', { host: 'edge.internal:9091' });
  expect(named.headers['content-type']).toBe('application/json');
  expect(JSON.parse(String(named.body))).toEqual([{ targets: ['edge.internal:9091'], labels: { org: 'a' } }]);
  expect((await get(port, '/sd', 'GET', { host: 'a"b' })).status).toBe(421);
  expect((await get(port, '/sd', 'POST')).status).toBe(405);
});

test.each([
  ['GET', '/metrics?org=nobody', 404, 'unknown organization\n'],
  ['GET', '/metrics?org=', 404, 'unknown organization\n'],
  ['GET', '/page', 404, 'not found\n'],
  ['GET', '/page/', 404, 'not found\n'],
  ['POST', '/', 405, 'method not allowed\n'],
  ['GET', '/metrics/', 404, 'not found\n'],
  ['GET', '/constructor', 404, 'not found\n'],
  ['POST', '/elsewhere', 404, 'not found\n'],
  ['POST', '/metrics', 405, 'method not allowed\n'],
  ['DELETE', '/healthz', 405, 'method not allowed\n'],
  ['GET', '/healthz', 200, 'ok\n'],
])('%s %s → %i', async (method, path, status, body) => {
  const answer = await get(await start(), path, method);
  expect([answer.status, answer.body.toString()]).toEqual([status, body]);
  expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
});

test('health is 503 while no slot serves', async () => {
  const port = await start({ serving: () => false });
  expect((await get(port, '/healthz')).status).toBe(503);
});

test('a page that cannot be made is a 500 with the reason, and the next one is answered', async () => {
  let broken = true;
  const port = await start({
    append: async () => {
      if (broken) throw new Error('no registry');
      return '';
    },
  });
  const answer = await get(port, '/metrics', 'GET', { 'accept-encoding': 'gzip' });
  expect([answer.status, answer.body.toString()]).toEqual([500, 'the page could not be made: no registry\n']);
  broken = false;
  expect((await get(port, '/metrics')).status).toBe(200);
});

test('more than eight scrapes at once are refused until one has ended', async () => {
  const gate = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  let begun = 0;
  const port = await start({
    beforeScrape: () => {
      if (++begun === 8) waiting.resolve();
      return gate.promise;
    },
  });
  const scrapes = Array.from({ length: 8 }, () => get(port, '/metrics'));
  await waiting.promise;
  expect((await get(port, '/metrics')).status).toBe(503);
  expect((await get(port, '/healthz')).status).toBe(200);
  gate.resolve();
  expect((await Promise.all(scrapes)).map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect((await get(port, '/metrics')).status).toBe(200);
});

/** Asks for a page and reads nothing of it but its first bytes. */
async function unread(port: number, path: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'readable');
}

test.each(['/metrics', '/sd'])(
  'eight scrapers that do not read %s keep the next one waiting, and no longer',
  async (path) => {
    const targets = Array.from({ length: 200_000 }, () => ({ targets: ['127.0.0.1:9100'], labels: { org: 'a' } }));
    const port = await start({ store: appsStore(3000), discover: () => targets });
    for (let i = 0; i < 8; i++) await unread(port, path);
    expect((await get(port, path)).status).toBe(200);
  },
);

test('one address cannot hold all places', async () => {
  const gate = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  let begun = 0;
  const port = await start({
    beforeScrape: async () => {
      begun += 1;
      if (begun === 8) waiting.resolve();
      if (begun <= 8) await gate.promise;
    },
  });
  const scrapes = Array.from({ length: 8 }, () => get(port, '/metrics'));
  await waiting.promise;
  expect((await get(port, '/metrics', 'GET', {}, '127.0.0.2')).status).toBe(200);
  gate.resolve();
  expect((await Promise.all(scrapes)).map(({ status }) => status)).toEqual(Array(8).fill(200));
});

test('scrapers that leave in the middle give their places back', async () => {
  const port = await start({ store: appsStore(3000) });
  for (let i = 0; i < 12; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await once(socket, 'close');
  }
  await expect.poll(async () => (await get(port, '/metrics')).status, { timeout: 5000 }).toBe(200);
});

test('scrapers that take for ever give their places back', async () => {
  const port = await start({ store: appsStore(3000), pageTimeout: 300 });
  const sockets = Array.from({ length: 8 }, () => connect(port, '127.0.0.1'));
  for (const socket of sockets) {
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'readable');
    socket.read(1);
    socket.on('error', () => {});
  }
  await expect.poll(async () => (await get(port, '/metrics')).status, { timeout: 10_000 }).toBe(200);
  for (const socket of sockets) socket.destroy();
});

test('what is no HTTP is refused, and the server goes on', async () => {
  const port = await start();
  const socket = connect(port, '127.0.0.1');
  socket.write('hello\r\n\r\n');
  expect(await text(socket)).toContain('400 Bad Request');
  expect((await get(port, '/healthz')).status).toBe(200);
});
