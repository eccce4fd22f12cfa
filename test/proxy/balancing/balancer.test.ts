import { expect, test } from 'vitest';
import { defaultLimits } from '../../../src/config/limits.ts';
import type { ServicePlan } from '../../../src/config/plan.ts';
import { Balancer, type Waiter } from '../../../src/proxy/balancing/balancer.ts';
import type { Permits } from '../../../src/proxy/balancing/permits.ts';
import type { EdgeError } from '../../../src/proxy/errors.ts';
import type { InstanceSeries } from '../../../src/proxy/series.ts';
import { Upstream } from '../../../src/proxy/upstream/upstream.ts';

const series = {
  concurrencyChanged() {},
  softLimitReached() {},
  hardLimitReached() {},
} as unknown as InstanceSeries;

class Request implements Waiter {
  tried: Upstream[] | null;
  upstream: Upstream | null = null;
  error: EdgeError | null = null;

  constructor(tried: Upstream[] | null = null) {
    this.tried = tried;
  }
  assigned(upstream: Upstream): void {
    this.upstream = upstream;
  }
  refused(error: EdgeError): void {
    this.error = error;
  }
}

/** A service whose leases the test answers: what was asked for, in order. */
function made(instances: number, soft: number, hard: number | null, queueSize = 10_000) {
  const concurrency = { type: 'requests', soft, hard };
  const plan = { concurrency } as unknown as ServicePlan;
  const upstreams = Array.from(
    { length: instances },
    (_, i) => new Upstream({ key: `i${i}`, instance: `i${i}`, host: '127.0.0.1', port: 1 } as never, plan, series),
  );
  const asked: [key: string, want: number][] = [];
  const permits = { lease: (key: string, want: number) => asked.push([key, want]), release() {} } as unknown as Permits;
  const service = new Balancer(plan, upstreams, { ...defaultLimits(), queueSize }, permits);
  const seek = (tried: Upstream[] | null = null): Request => {
    const request = new Request(tried);
    service.seek(request);
    return request;
  };
  /** The supervisor's answers, one after the other, as messages come. */
  const answer = (): void => {
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
      const [key, want] = next;
      const upstream = upstreams.find((each) => each.key === key)!;
      service.grant(upstream, Math.min(want, upstream.hard! - upstream.granted));
    }
  };
  return { service, upstreams, asked, seek, answer };
}

test('a first burst spreads over instances with hard limits as over those without', () => {
  const { upstreams, seek, answer } = made(8, 20, 35);
  const requests = Array.from({ length: 120 }, () => seek());
  answer();
  expect(requests.filter(({ upstream }) => upstream === null)).toHaveLength(0);
  expect(upstreams.map(({ inFlight }) => inFlight)).toEqual([15, 15, 15, 15, 15, 15, 15, 15]);
});

test('a burst above all soft limits fills each to soft before any beyond', () => {
  const { upstreams, seek, answer } = made(4, 5, 9);
  for (let i = 0; i < 22; i++) seek();
  answer();
  expect(upstreams.map(({ inFlight }) => inFlight).sort()).toEqual([5, 5, 6, 6]);
});

test('one request asks once and goes to the first instance that may take it', () => {
  const { seek, asked, service, upstreams } = made(3, 20, 35);
  const request = seek();
  expect(asked).toHaveLength(3);
  service.grant(upstreams[1]!, 1);
  expect(request.upstream).toBe(upstreams[1]);
});

test('a retry that no free instance may serve holds up nobody behind it', () => {
  const { seek, answer, service, upstreams } = made(2, 1, 1);
  const [a, b] = upstreams as [Upstream, Upstream];
  seek();
  seek();
  answer();
  const retry = seek([a]);
  const next = [seek(), seek()];
  service.release(a);
  expect([retry.upstream, next[0]!.upstream, next[1]!.upstream]).toEqual([null, a, null]);
  service.release(b);
  expect([retry.upstream, next[1]!.upstream]).toEqual([b, null]);
  service.release(a);
  expect(next[1]!.upstream).toBe(a);
});

test('those that may go to the same instances go in the order of coming; one that leaves is skipped', () => {
  const { seek, answer, service, upstreams } = made(1, 1, 1);
  seek();
  answer();
  const waiting = Array.from({ length: 5 }, () => seek());
  service.forget(waiting[1]!);
  for (let i = 0; i < 4; i++) service.release(upstreams[0]!);
  expect(waiting.map(({ upstream }) => upstream !== null)).toEqual([true, false, true, true, true]);
});

test('more than the queue takes are refused, the newest first, and nobody who has an instance', () => {
  const { seek, answer, upstreams } = made(2, 1, 2, 3);
  const requests = Array.from({ length: 10 }, () => seek());
  answer();
  expect(upstreams.map(({ inFlight }) => inFlight)).toEqual([2, 2]);
  expect(requests.map(({ error }) => error?.code ?? null)).toEqual([
    ...Array.from({ length: 7 }, () => null),
    ...Array.from({ length: 3 }, () => 'queue_full'),
  ]);
});

test('who was failed by all healthy instances is refused at once, and those behind wait on', () => {
  const { seek, answer, upstreams } = made(1, 1, 1);
  seek();
  answer();
  const waiting = seek();
  expect(seek([upstreams[0]!]).error?.code).toBe('no_instance');
  expect([waiting.upstream, waiting.error]).toEqual([null, null]);
});

test('who comes while others are being refused is served in the same turn', () => {
  const { seek, answer, service, upstreams } = made(2, 1, 1);
  const [a, b] = upstreams as [Upstream, Upstream];
  seek();
  seek();
  answer();
  const waiting = seek([a]);
  const behind = seek([a]);
  let next: Request | null = null;
  // The next request of the same connection.
  waiting.refused = () => {
    next = seek();
  };
  b.healthy = false;
  service.release(a);
  expect(behind.error?.code).toBe('no_instance');
  expect(next!).toMatchObject({ upstream: a });
});

/** The second of two is on trial. */
function onTrial(before = 0, hard: number | null = null) {
  const all = made(2, 1000, hard);
  const { service, upstreams, seek } = all;
  const [good, bad] = upstreams as [Upstream, Upstream];
  // What it still has from before.
  good.others = 1000;
  for (let i = 0; i < before; i++) expect(seek().upstream).toBe(bad);
  bad.ejection = 'out';
  service.judge();
  good.others = 0;
  for (let i = 0; i < 3; i++) expect(seek().upstream).toBe(good);
  bad.ejection = 'trial';
  service.judge();
  // So that it is the one with less to do.
  good.others = 1000;
  return { ...all, good, bad };
}

test.each([0, 2])('a trial is one request at a time, beside %i from before', (before) => {
  const { service, seek, good, bad } = onTrial(before);
  expect([seek(), seek(), seek()].map(({ upstream }) => upstream)).toEqual([bad, good, good]);
  service.judge();
  expect(seek().upstream).toBe(good);
  // It was left by its client: neither a success nor a failure.
  service.release(bad);
  expect([seek(), seek()].map(({ upstream }) => upstream)).toEqual([bad, good]);
});

test('a trial that failed is not repeated before the supervisor says so', () => {
  const { service, seek, good, bad } = onTrial();
  expect(seek().upstream).toBe(bad);
  bad.failed();
  service.release(bad);
  expect([seek(), seek()].map(({ upstream }) => upstream)).toEqual([good, good]);
  for (const state of ['out', 'trial'] as const) {
    bad.ejection = state;
    service.judge();
  }
  expect(seek().upstream).toBe(bad);
});

test('who is ejected serves where nobody else may, all at once', () => {
  const { service, seek, good, bad } = onTrial();
  good.checked = false;
  service.judge();
  for (let i = 0; i < 3; i++) expect(seek().upstream).toBe(bad);
  bad.failed();
  expect(seek().upstream).toBe(bad);
});
