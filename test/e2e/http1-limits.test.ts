import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { sum } from '../helpers/exposition.ts';
import { HttpInstance, RawInstance } from '../helpers/instances.ts';
import { answer, request } from '../helpers/messages.ts';
import { type RawSocket, rawClient } from '../helpers/raw.ts';
import { until } from '../helpers/until.ts';

const to = (app: string, path = '/') => request('GET', path, '', '', `${app}.test`);

describe('concurrency of one worker', () => {
  let edge: Edge;
  let instance: RawInstance;

  beforeAll(async () => {
    instance = await RawInstance.start();
    const instances = [{ id: 'aa', port: instance.port }];
    const pair = await RawInstance.start();
    edge = await Edge.start({
      apps: [
        { name: 'demo', fly: service({ soft: 2, hard: 3 }), instances },
        { name: 'direct', fly: service({ type: 'connections', soft: 1, hard: 2 }), instances },
        { name: 'short', fly: service({ soft: 1, hard: 1 }), instances },
        { name: 'pair', fly: service({ soft: 1, hard: 2 }), instances: [...instances, { id: 'bb', port: pair.port }] },
      ],
      limits: { queue_size: 2, queue_timeout: '"700ms"' },
    });
    return () => pair.stop();
  });
  afterAll(async () => {
    await edge.stop();
    await instance.stop();
  });
  beforeEach(() => instance.forget());

  /** A request that is at the instance and waits for its answer. */
  async function held(app: string): Promise<{ client: RawSocket; release: () => Promise<void> }> {
    const client = await rawClient(edge.port());
    client.send(to(app));
    const peer = await instance.accept();
    await peer.head();
    const release = async () => {
      peer.send(answer());
      expect((await client.response()).status).toBe(200);
      client.end();
    };
    return { client, release };
  }

  test.each([
    ['demo', 3],
    ['direct', 2],
  ] as const)('%s: soft and hard limit are reached when the count comes from below, each time', async (app, hard) => {
    const watch = await edge.watch();
    for (let round = 1; round <= 2; round++) {
      const all = [];
      for (let i = 0; i < hard; i++) all.push(await held(app));
      expect(sum(await edge.scrape(), 'fly_app_concurrency', { app })).toBe(hard);
      await Promise.all(all.map(({ release }) => release()));
      await instance.forget();
    }
    await watch.moved({ 'edge 200': 2 * hard, 'app 200': 2 * hard, soft: 2, hard: 2 });
  });

  test('at the hard limit requests wait, and go in order', async () => {
    const watch = await edge.watch();
    const first = await held('short');
    const waiting = [await rawClient(edge.port()), await rawClient(edge.port())];
    for (const [i, client] of waiting.entries()) {
      client.send(to('short', `/${i}`));
      await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_connects_count', { app: 'short' }) >= 2 + i);
    }
    const peer = instance.connections.at(-1)!;
    await first.release();
    for (const [i, client] of waiting.entries()) {
      expect(await peer.head()).toMatch(`GET /${i} `);
      peer.send(answer(String(i)));
      expect((await client.response()).body).toBe(String(i));
      client.end();
    }
    await watch.moved({ 'edge 200': 3, 'app 200': 3, soft: 3, hard: 3, 'app connects': 1 });
  });

  test('when the queue is full: 503 at once, with Retry-After; and what waits too long: 503 as well', async () => {
    const watch = await edge.watch();
    const first = await held('short');
    const before = sum(await edge.scrape(), 'fly_edge_tcp_connects_count', { app: 'short' });
    const waiting = [await rawClient(edge.port()), await rawClient(edge.port())];
    for (const client of waiting) client.send(to('short'));
    await until(async () => sum(await edge.scrape(), 'fly_edge_tcp_connects_count', { app: 'short' }) === before + 2);
    const late = await rawClient(edge.port());
    late.send(to('short'));
    const refused = await late.response();
    expect(refused).toMatchObject({ status: 503, body: expect.stringMatching(/^queue_full: /) });
    expect(refused.fields['retry-after']).toMatch(/^\d+$/);
    for (const client of waiting) {
      const response = await client.response();
      expect(response).toMatchObject({ status: 503, body: expect.stringMatching(/^queue_timeout: /) });
      expect(response.fields['retry-after']).toMatch(/^\d+$/);
      client.end();
    }
    late.end();
    await first.release();
    await watch.moved({
      'edge 200': 1,
      'app 200': 1,
      'edge 503': 3,
      'error queue_full': 1,
      'error queue_timeout': 2,
      soft: 1,
      hard: 1,
    });
  });

  test('an instance below its soft limit goes before one between soft and hard', async () => {
    const clients = [];
    for (let i = 0; i < 4; i++) {
      const client = await rawClient(edge.port());
      client.send(to('pair'));
      clients.push(client);
      await until(async () => sum(await edge.scrape(), 'fly_app_concurrency', { app: 'pair' }) === i + 1);
      const each = ['aa', 'bb'].map((id) => ({ app: 'pair', instance: id }));
      const page = await edge.scrape();
      const loads = each.map((labels) => sum(page, 'fly_app_concurrency', labels)).sort();
      expect(loads).toEqual(
        [
          [0, 1],
          [1, 1],
          [1, 2],
          [2, 2],
        ][i],
      );
    }
    for (const client of clients) client.reset();
  });
});

describe('a hard limit over two workers', () => {
  test.each(['requests', 'connections'] as const)('of type %s is used, and never exceeded', async (type) => {
    const hard = 4;
    const instance = await HttpInstance.start((_request, response) => {
      setTimeout(() => response.end('ok'), 5);
    });
    const instances = [{ id: 'aa', port: instance.port }];
    const edge = await Edge.start({
      apps: [{ name: 'demo', fly: service({ type, soft: 2, hard }), instances }],
      workers: 2,
    });
    try {
      const clients = await Promise.all(Array.from({ length: 40 }, () => rawClient(edge.port())));
      const requests = 10;
      await Promise.all(
        clients.map(async (client) => {
          for (let i = 0; i < requests; i++) {
            client.send(to('demo'));
            expect((await client.response()).status).toBe(200);
          }
          client.end();
        }),
      );
      expect(instance.requests).toBe(40 * requests);
      expect(instance.mostInFlight).toBe(hard);
      const page = await until(async () => {
        const now = await edge.scrape();
        return sum(now, 'fly_app_http_responses_count', { status: '200' }) === 40 * requests ? now : null;
      });
      expect(sum(page!, 'fly_app_hard_limit_reached_count')).toBeGreaterThan(0);
      expect(sum(page!, 'fly_app_concurrency')).toBe(0);
      if (type === 'connections') expect(instance.opened).toBe(40 * requests);
    } finally {
      await edge.stop();
      await instance.stop();
    }
  });
});

describe('connections', () => {
  test('over the limit of an app, or of a worker, are reset and counted', async () => {
    const instance = await HttpInstance.start();
    const instances = [{ id: 'aa', port: instance.port }];
    const edge = await Edge.start({
      apps: [{ name: 'demo', instances }],
      limits: { connections: 4, connections_per_app: 2 },
    });
    try {
      const watch = await edge.watch();
      const clients = [await rawClient(edge.port()), await rawClient(edge.port())];
      for (const client of clients) {
        client.send(to('demo'));
        expect((await client.response()).status).toBe(200);
      }
      const third = await rawClient(edge.port());
      third.send(to('demo'));
      expect(await third.peerEnd()).toBe('reset');
      expect(third.text).toBe('');
      const silent = [await rawClient(edge.port()), await rawClient(edge.port())];
      await until(() => edge.log.filter(({ code }) => code === 'connection_limit').length === 1);
      const fifth = await rawClient(edge.port());
      expect(await fifth.peerEnd()).toBe('reset');
      for (const client of [...clients, ...silent]) client.end();
      await watch.moved({
        'edge 200': 2,
        'app 200': 2,
        'error connection_limit': 1,
        'unnamed error connection_limit': 1,
        'edge connects': 3,
        'unnamed edge connects': 3,
      });
      const again = await rawClient(edge.port());
      again.send(to('demo'));
      expect((await again.response()).status).toBe(200);
      // Reset in one turn with its request: that one is not carried out for nobody.
      expect(instance.requests).toBe(3);
    } finally {
      await edge.stop();
      await instance.stop();
    }
  });
});
