import { addressOf } from '../config/address.ts';
import type { AppPlan, Plan } from '../config/plan.ts';
import type { Outliers } from './outliers.ts';
import type { InstanceStatus } from './status.ts';

const passive = { in: 'healthy', out: 'ejected', trial: 'trial' } as const;

/** The instances of a plan. @param health of those with checks. @param inFlight by upstream. */
export function instancesOf(
  plan: Plan,
  health: ReadonlyMap<string, boolean>,
  inFlight: (key: string) => number,
  outliers: Pick<Outliers, 'state' | 'pauseLeft'>,
): InstanceStatus[] {
  return plan.apps.flatMap((app) =>
    app.services.flatMap(({ checks, upstreams }) =>
      upstreams.map((upstream): InstanceStatus => {
        const { key, instance } = upstream;
        const healthy = checks.length === 0 ? true : health.get(key);
        return {
          app: app.name,
          instance,
          address: addressOf(upstream),
          health: healthy === undefined ? 'unknown' : healthy ? 'healthy' : 'unhealthy',
          passive: passive[outliers.state(key)],
          ejectedFor: Math.ceil(outliers.pauseLeft(key) / 1000),
          inFlight: inFlight(key),
        };
      }),
    ),
  );
}

const addresses = new WeakMap<AppPlan[], ReadonlyMap<string, string>>();

/** Where each upstream of a plan is, by key. Asked for with every result of a check, so that it is made once. */
export function addressesOf({ apps }: Plan): ReadonlyMap<string, string> {
  let known = addresses.get(apps);
  if (known === undefined) {
    const upstreams = apps.flatMap(({ services }) => services.flatMap(({ upstreams }) => upstreams));
    known = new Map(upstreams.map((upstream) => [upstream.key, addressOf(upstream)]));
    addresses.set(apps, known);
  }
  return known;
}

/** The keys of all upstreams of a plan. */
export const upstreamKeys = ({ apps }: Plan): string[] =>
  apps.flatMap((app) => app.services.flatMap((service) => service.upstreams.map(({ key }) => key)));

/** The hard limits of the upstreams that have one, by key. */
export const hardLimits = ({ apps }: Plan): [key: string, hard: number][] =>
  apps.flatMap((app) =>
    app.services.flatMap(({ concurrency: { hard }, upstreams }) =>
      hard === null ? [] : upstreams.map(({ key }): [string, number] => [key, hard]),
    ),
  );
