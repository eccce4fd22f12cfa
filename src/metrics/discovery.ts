/**
 * What the storage tier scrapes, in the form of Prometheus' HTTP service discovery (http_sd). Labels of a target are
 * labels of all its series; those that begin with `__` tell the scraper how, and are gone from the series.
 */

import { formatAddress, parseAddress } from '../config/fields.ts';
import { runs } from '../config/instances.ts';
import type { AppPlan, Plan } from '../config/plan.ts';

export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** Which job of the scrape configuration a target is for. */
export type TargetKind = 'edge' | 'app';

/** @param self where this edge's own page is, `host:port`. */
export function discover(plan: Plan, self: string): TargetGroup[] {
  return [...edgeTargets(plan, self), ...plan.apps.flatMap((app) => appTargets(plan, app))];
}

/** A Host header as `host:port`; null when it is none. */
export function hostPort(header: string | undefined): string | null {
  const address = header === undefined ? undefined : parseAddress(header);
  return address === undefined ? null : formatAddress({ host: address.host, port: address.port ?? 80 });
}

/** One page for each organisation, so that each holds one organisation's series; without any, the whole page. */
function edgeTargets({ organizations }: Plan, self: string): TargetGroup[] {
  if (organizations.length === 0) return [{ targets: [self], labels: meta('edge') }];
  return organizations.map(({ slug, id }) => ({
    targets: [self],
    labels: { ...meta('edge', id), org: slug, __param_org: slug },
  }));
}

/** The app's own series, of each instance and each endpoint of its fly.toml. */
function appTargets({ region, host, organizations }: Plan, app: AppPlan): TargetGroup[] {
  const tenant = organizations.find(({ slug }) => slug === app.org)?.id;
  return app.metrics.flatMap(({ port, path, https, processes }) =>
    app.instances
      .filter(({ process }) => runs(process, processes))
      .map((instance) => ({
        targets: [formatAddress({ host: instance.host, port })],
        labels: {
          ...meta('app', tenant),
          __metrics_path__: path,
          __scheme__: https ? 'https' : 'http',
          // Two endpoints of one instance are two programs, whose series (`process_*`, `up`) would be one otherwise.
          job: `${port}${path}`,
          org: app.org,
          app: app.name,
          region,
          host,
          instance: instance.id,
        },
      })),
  );
}

const meta = (kind: TargetKind, tenant?: number): Record<string, string> => ({
  __meta_fly_kind: kind,
  ...(tenant === undefined ? {} : { __meta_fly_tenant: String(tenant) }),
});
