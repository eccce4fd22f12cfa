import type { Plan } from '../config/plan.ts';
import { makeSelfSigned } from '../proxy/tls/self-signed.ts';

/**
 * A plan with the self-signed certificate that it asks for: one for all workers, and the one before while the host names
 * stay, so that a client sees the same one each time.
 * @param before the plan that served before.
 */
export function withSelfSigned(plan: Plan, before: Plan | undefined): Plan {
  const { listeners } = plan;
  if (!listeners.some(({ ports }) => ports.some(({ tls }) => tls.defaultSelfSigned))) return plan;
  const hostnames = hostnamesOf(plan);
  const made = before?.selfSigned;
  const same = made !== undefined && hostnames.join() === hostnamesOf(before!).join();
  return { ...plan, selfSigned: same ? made : makeSelfSigned(hostnames) };
}

const hostnamesOf = ({ apps }: Plan): string[] => apps.flatMap((app) => app.hostnames);
