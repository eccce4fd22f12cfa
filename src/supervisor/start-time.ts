/** How long a slot may take to start. */

import type { Plan } from '../config/plan.ts';

/** How long it may take until all workers of a plan could accept, in ms. */
export function slowestReady({ apps, slots }: Plan): number {
  const checks = apps.flatMap((app) => app.services.flatMap((service) => service.checks));
  return slots.readyTimeout + Math.max(0, ...checks.map((check) => check.timeout));
}

/** How long it may take until they do accept. */
export const slowestStart = (plan: Plan): number => 2 * slowestReady(plan);

/**
 * @param promise null when it is well, else what went wrong.
 * @param state that is waited for.
 * @returns what `promise` gives, or that it was late.
 */
export async function inTime(promise: Promise<string | null>, state: string, timeout: number): Promise<string | null> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(resolve, timeout, `it was not ${state} within ${timeout / 1000} s`);
  const fault = await Promise.race([promise, late]);
  clearTimeout(timer);
  return fault;
}
