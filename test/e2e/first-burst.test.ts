/** A burst that comes before anything is known of the instances, or of the permits below their hard limits. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { request } from '../helpers/messages.ts';
import { rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

const requests = 120;
const soft = 20;

/** Each keeps what it gets. */
const instances: Server[] = [];
const held: number[] = [];

beforeAll(async () => {
  for (let i = 0; i < 8; i++) {
    held.push(0);
    const server = createServer(() => void held[i]!++).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    instances.push(server);
  }
});
afterAll(() => {
  for (const server of instances) {
    server.close();
    server.closeAllConnections();
  }
});

/** How many each instance of a fresh edge has of what came at once, the most first. */
async function spread(workers: number, hard: number | undefined, type: 'requests' | 'connections'): Promise<number[]> {
  held.fill(0);
  const reached = instances.map((server, i) => ({ id: `i${i}`, port: (server.address() as AddressInfo).port }));
  const fly = service({ soft, type, ...(hard !== undefined && { hard }) });
  const edge = await Edge.start({ apps: [{ name: 'shop', fly, instances: reached }], workers });
  try {
    const clients = await Promise.all(Array.from({ length: requests }, () => rawClient(edge.port())));
    for (const client of clients) client.send(request('GET', '/', '', '', 'shop.test'));
    await until(() => held.reduce((sum, count) => sum + count, 0) === requests, 'all are with an instance');
    for (const client of clients) client.reset();
  } finally {
    await edge.stop();
  }
  return [...held].sort((a, b) => b - a);
}

test('one worker spreads it evenly, with a hard limit as without', async () => {
  const without = await spread(1, undefined, 'requests');
  expect(without).toEqual(Array.from({ length: 8 }, () => requests / 8));
  expect(await spread(1, 35, 'requests')).toEqual(without);
  expect(await spread(1, 35, 'connections')).toEqual(without);
});

test('two workers, which hear of each other late, keep all instances at or below the soft limit', async () => {
  for (const hard of [undefined, 35]) {
    const [most] = await spread(2, hard, 'requests');
    expect(most).toBeLessThanOrEqual(soft);
  }
});
