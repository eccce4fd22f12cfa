import { expect, test } from 'vitest';
import { MetricId } from '../../src/metrics/catalogue.ts';
import { type Page, sum } from '../helpers/exposition.ts';
import { seeded } from '../helpers/random.ts';
import { minute, pageOf, storeAt, workerOf } from './helpers.ts';

/** Whole numbers below a bound: the same run for the same seed. */
function random(seed: number): (below: number) => number {
  const next = seeded(seed);
  return (below) => Math.floor(next() * below);
}

const flat = (page: Page) =>
  new Map([...page].flatMap(([name, samples]) => samples.map((s) => [name + JSON.stringify(s.labels), s.value])));

/** Random counting by workers that come, report, go and die; what the store shows must be what was reported. */
test.each([1, 2, 3, 4, 5])('totals of a random life agree and never fall (seed %i)', (seed) => {
  const below = random(seed);
  const { store, wait } = storeAt();
  const apps = ['a', 'b'];
  type Worker = ReturnType<typeof workerOf> & { open: Map<string, number> };
  const workers: Worker[] = [];
  const counted = new Map<string, number>();
  let last = new Map<string, number>();
  let ids = 0;
  const tally = (name: string, n: number) => counted.set(name, (counted.get(name) ?? 0) + n);

  const arrive = () => {
    const id = ++ids;
    const worker = workerOf(store, id, below(2) ? 'blue' : 'green', id);
    for (const app of apps) {
      worker.recorder.series(MetricId.edgeTcpDisconnects, [app]);
      worker.recorder.series(MetricId.appConcurrency, [app, 'i']);
    }
    worker.ship();
    workers.push({ ...worker, open: new Map() });
  };
  const work = ({ recorder, colour, open, ship }: Worker) => {
    for (let i = below(30); i > 0; i--) {
      const app = apps[below(apps.length)];
      const status = `${200 + below(4)}`;
      const ms = below(2000);
      recorder.inc(recorder.series(MetricId.edgeHttpResponses, [app, status]));
      tally(`responses ${app} ${status} ${colour}`, 1);
      recorder.observe(recorder.series(MetricId.edgeHttpResponseTime, [app, status]), ms / 1024);
      tally(`slow ${colour}`, ms / 1024 > 1 ? 1 : 0);
      tally(`seconds ${colour}`, ms / 1024);
      recorder.inc(recorder.series(MetricId.edgeTcpConnects, [app]));
      recorder.inc(recorder.series(MetricId.appConcurrency, [app, 'i']));
      tally('connects', 1);
      open.set(app, (open.get(app) ?? 0) + 1);
      if (below(3) === 0) continue;
      recorder.inc(recorder.series(MetricId.edgeTcpDisconnects, [app]));
      recorder.dec(recorder.series(MetricId.appConcurrency, [app, 'i']));
      open.set(app, open.get(app)! - 1);
    }
    expect(ship()).toBeNull();
  };
  const die = () => store.detach(workers.splice(below(workers.length), 1)[0].id);

  for (let step = 0; step < 200; step++) {
    if (workers.length < 2 || (workers.length < 8 && below(10) === 0)) arrive();
    else if (below(12) === 0) die();
    else work(workers[below(workers.length)]);
    wait(below(minute / 10));
    store.expire();

    const page = pageOf(store);
    const now = flat(page);
    for (const [key, value] of last)
      if (!key.startsWith('fly_app_concurrency')) expect(now.get(key), key).toBeGreaterThanOrEqual(value);
    last = now;
    const open = workers.flatMap((worker) => [...worker.open.values()]).reduce((a, b) => a + b, 0);
    expect(sum(page, 'fly_edge_tcp_connects_count') - sum(page, 'fly_edge_tcp_disconnects_count')).toBe(open);
    expect(sum(page, 'fly_app_concurrency')).toBe(open);
  }

  const page = pageOf(store);
  expect(sum(page, 'fly_edge_tcp_connects_count')).toBe(counted.get('connects'));
  for (const proxy_id of ['blue', 'green']) {
    const name = 'fly_edge_http_response_time_seconds';
    for (const app of apps)
      for (const status of ['200', '201', '202', '203']) {
        const expected = counted.get(`responses ${app} ${status} ${proxy_id}`) ?? 0;
        expect(sum(page, 'fly_edge_http_responses_count', { app, status, proxy_id })).toBe(expected);
        expect(sum(page, `${name}_count`, { app, status, proxy_id })).toBe(expected);
        expect(sum(page, `${name}_bucket`, { app, status, proxy_id, le: '+Inf' })).toBe(expected);
      }
    const slow = sum(page, `${name}_count`, { proxy_id }) - sum(page, `${name}_bucket`, { proxy_id, le: '1' });
    expect(slow).toBe(counted.get(`slow ${proxy_id}`));
    // Multiples of 1/1024: their sums are exact in binary, in whatever order.
    expect(sum(page, `${name}_sum`, { proxy_id })).toBe(counted.get(`seconds ${proxy_id}`));
  }
});
