import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CheckPlan, Plan, UpstreamPlan } from '../../src/config/plan.ts';
import { planFor } from '../../src/config/quick.ts';
import { type HealthChange, HealthChecker } from '../../src/health/checker.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const tcp: CheckPlan = { type: 'tcp', interval: 10_000, timeout: 2_000, gracePeriod: 0 };

function planWith(...checks: CheckPlan[]): Plan {
  const plan = planFor({ to: '127.0.0.1:9', app: 'demo' });
  if ('message' in plan) throw new Error(plan.message);
  plan.apps[0]!.services[0]!.checks = checks;
  return plan;
}

/** A checker whose probes answer as `results` says at that time, by the position of the check. */
function checker(plan: Plan, results: (string | null)[], known: [string, boolean][] = []) {
  const changes: Pick<HealthChange, 'healthy' | 'reason'>[] = [];
  const probes = results.map(() => 0);
  const { checks } = plan.apps[0]!.services[0]!;
  const made = new HealthChecker(
    plan,
    known,
    ({ healthy, reason }) => changes.push({ healthy, reason }),
    async (check: CheckPlan, _upstream: UpstreamPlan) => {
      const i = checks.indexOf(check);
      probes[i]!++;
      return results[i]!;
    },
  );
  return { made, changes, probes };
}

test('an app without checks is not mentioned', async () => {
  const { made, changes } = checker(planWith(), []);
  await made.start();
  expect(changes).toEqual([]);
});

test('the first results are found before start is over, and each change is told once', async () => {
  const results: (string | null)[] = [null];
  const { made, changes } = checker(planWith(tcp), results);
  await made.start();
  expect(changes).toEqual([{ healthy: true, reason: '' }]);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(changes).toHaveLength(1);
  results[0] = 'ECONNREFUSED';
  await vi.advanceTimersByTimeAsync(30_000);
  results[0] = null;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(changes.slice(1)).toEqual([
    { healthy: false, reason: 'tcp check: ECONNREFUSED' },
    { healthy: true, reason: '' },
  ]);
  made.stop();
});

test('healthy while all checks pass', async () => {
  const results: (string | null)[] = [null, 'status 500'];
  const { made, changes } = checker(planWith(tcp, { ...tcp }), results);
  await made.start();
  expect(changes).toEqual([{ healthy: false, reason: 'tcp check: status 500' }]);
  made.stop();
});

test('what another checker knew is not told again', async () => {
  const { made, changes } = checker(planWith(tcp), ['ECONNREFUSED'], [['demo/0/local', false]]);
  await made.start();
  expect(changes).toEqual([]);
  made.stop();
});

test('each check runs once an interval; none after the stop', async () => {
  const { made, probes } = checker(planWith(tcp), [null]);
  await made.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(probes[0]).toBeGreaterThanOrEqual(6);
  expect(probes[0]).toBeLessThanOrEqual(7);
  const [before] = probes;
  made.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(probes[0]).toBe(before);
});

test('an app that boots is tried every second within its grace period', async () => {
  const results: (string | null)[] = ['ECONNREFUSED'];
  const { made, changes, probes } = checker(planWith({ ...tcp, gracePeriod: 20_000 }), results);
  await made.start();
  await vi.advanceTimersByTimeAsync(3_500);
  expect(probes[0]).toBe(4);
  results[0] = null;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes.at(-1)).toEqual({ healthy: true, reason: '' });
  made.stop();
});
