import { makeIdentity } from '../base/self-signed.ts';
import type { Plan } from '../config/plan.ts';

/**
 * A plan with what its self-signed certificates are made of: one for all workers, and the one before as long as there is one,
 * so that a client sees the same certificate each time.
 * @param before the plan that served before.
 */
export function withSelfSigned(plan: Plan, before: Plan | undefined): Plan {
  const { listeners } = plan;
  if (!listeners.some(({ ports }) => ports.some(({ tls }) => tls.defaultSelfSigned))) return plan;
  return { ...plan, identity: before?.identity ?? makeIdentity() };
}
