import { setTimeout } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { config, instance, metric, serving } from './helpers.ts';

vi.setConfig({ testTimeout: 30_000 });

test('a hard limit holds over all workers together, and every request is answered', async () => {
  let [now, most] = [0, 0];
  const to = await instance(async (_request, response) => {
    most = Math.max(most, ++now);
    await setTimeout(5);
    now--;
    response.end('hello\n');
  });
  const made = await config(to, {
    workers: 3,
    fly: '[services.concurrency]\ntype = "requests"\nsoft_limit = 2\nhard_limit = 4\n',
  });
  await serving(made.file);
  const statuses: number[] = [];
  // A connection for each request, so that the kernel spreads them over the workers.
  const client = async () => {
    for (let i = 0; i < 20; i++) {
      const response = await fetch(`http://127.0.0.1:${made.http}/`, { headers: { Connection: 'close' } });
      await response.text();
      statuses.push(response.status);
    }
  };
  await Promise.all(Array.from({ length: 24 }, client));
  expect(statuses).toEqual(Array.from({ length: 480 }, () => 200));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
  const counted = 'fly_edge_http_responses_count{app="demo",region="iad",host="2bc3",proxy_id="blue",status="200"}';
  expect(await metric(made, counted)).toBe(480);
});
