import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { ScrapeEndpoint } from '../../src/supervisor/scrape-endpoint.ts';
import type { Volumes } from '../../src/volumes/volumes.ts';
import { storeAt } from '../metrics/helpers.ts';
import { testPlan } from './helpers.ts';

const plan = testPlan();

/** One that listens. @param beforeScrape what a scrape waits for. */
async function endpoint(beforeScrape = async () => {}) {
  const scrape = new ScrapeEndpoint({
    store: storeAt().store,
    hosts: () => ['edge'],
    scopeOf: () => undefined,
    serving: () => true,
    beforeScrape,
    discover: () => [],
    volumes: { page: async () => '', close: () => {} } as unknown as Volumes,
  });
  onTestFinished(() => scrape.close());
  expect(await scrape.open(plan)).toBeNull();
  const { port } = scrape.socket!;
  return { scrape, port };
}

/** What listens there afterwards. */
async function successor(port: number): Promise<void> {
  const server = createServer((request, response) => response.end(`the new one, of ${request.url}`));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
}

async function connected(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  // One that connects later is answered: this one was accepted.
  expect((await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } })).status).toBe(200);
  return socket;
}

const ask = 'GET /metrics HTTP/1.1\r\nHost: edge\r\n\r\n';

test('who had connected before another process took over is answered by that one', async () => {
  const { scrape, port } = await endpoint();
  const socket = await connected(port);
  scrape.suspend();
  await successor(port);
  socket.write(ask);
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toContain('Connection: close\r\n');
  expect(answer).toContain('the new one, of /metrics');
  await scrape.left();
});

test('a scrape that was waiting for workers when another process took over is answered by that one', async () => {
  const asked = Promise.withResolvers<void>();
  const reported = Promise.withResolvers<void>();
  const { scrape, port } = await endpoint(() => {
    asked.resolve();
    return reported.promise;
  });
  const page = fetch(`http://127.0.0.1:${port}/metrics`);
  await asked.promise;
  scrape.suspend();
  await successor(port);
  reported.resolve();
  expect(await (await page).text()).toBe('the new one, of /metrics');
});

test('a connection that was kept is closed: its next request goes to the other process', async () => {
  const { scrape, port } = await endpoint();
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const asked = get({ port, path: '/healthz', agent });
  const [response] = await once(asked, 'response');
  expect(await text(response)).toBe('ok\n');
  const closed = once(asked.socket!, 'close');
  scrape.suspend();
  await closed;
});

test('nobody who connects and asks nothing keeps the process', async () => {
  const { scrape, port } = await endpoint();
  const socket = await connected(port);
  scrape.suspend();
  await scrape.left();
  expect(socket.closed).toBe(false);
  scrape.close();
  await once(socket, 'close');
});

test('it can be taken back, and answers by itself again', async () => {
  const { scrape, port } = await endpoint();
  const socket = await connected(port);
  scrape.suspend();
  expect(await scrape.resume({ ...plan, metrics: { ...plan.metrics, port } })).toBeNull();
  socket.write(ask);
  expect(await text(socket.once('data', () => socket.end()))).toContain('fly_supervisor_build_info');
  const { port: again } = (scrape.socket ?? {}) as AddressInfo;
  expect(again).toBe(port);
});
