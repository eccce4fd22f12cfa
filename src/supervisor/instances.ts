import { isIPv6 } from 'node:net';
import { formatAddress } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import type { InstanceStatus } from './status.ts';

/** The instances of a plan. @param health of those with checks. @param inFlight by upstream. */
export function instancesOf(
  plan: Plan,
  health: ReadonlyMap<string, boolean>,
  inFlight: (key: string) => number,
): InstanceStatus[] {
  return plan.apps.flatMap((app) =>
    app.services.flatMap(({ checks, upstreams }) =>
      upstreams.map(({ key, instance, host, port }): InstanceStatus => {
        const healthy = checks.length === 0 ? true : health.get(key);
        return {
          app: app.name,
          instance,
          address: isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`,
          health: healthy === undefined ? 'unknown' : healthy ? 'healthy' : 'unhealthy',
          inFlight: inFlight(key),
        };
      }),
    ),
  );
}

/** Where each upstream of a plan is, by key. */
export const addressesOf = ({ apps }: Plan): Map<string, string> =>
  new Map(
    apps.flatMap((app) => app.services.flatMap((s) => s.upstreams.map((u) => [u.key, formatAddress(u)] as const))),
  );
