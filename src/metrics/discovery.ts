/**
 * What the storage tier scrapes, in the form of Prometheus' HTTP service discovery (http_sd). Labels of a target are
 * labels of all its series; those that begin with `__` tell the scraper how, and are gone from the series.
 */

import { formatAddress, parseAddress } from '../config/address.ts';
import { runs } from '../config/instances.ts';
import { parseMetricsPath } from '../config/metrics-path.ts';
import type { AppPlan, Plan } from '../config/plan.ts';

export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** Which job of the scrape configuration a target is for. */
export type TargetKind = 'edge' | 'app' | 'agent' | 'exporter';

/**
 * @param self where this edge's own page is, `host:port`.
 * @param partsOf how many parts the page of an organization has; of null, the whole page.
 */
export function discover(plan: Plan, self: string, partsOf: (org: string | null) => number): TargetGroup[] {
  return [...edgeTargets(plan, self, partsOf), ...plan.apps.flatMap((app) => appTargets(plan, app))];
}

/** A Host header as `host:port`; null when it is none. */
export function hostPort(header: string | undefined): string | null {
  const address = header === undefined ? undefined : parseAddress(header);
  return address === undefined ? null : formatAddress({ host: address.host, port: address.port ?? 80 });
}

/**
 * One page for each organization, so that each holds one organization's series; without any, the whole page. Each in parts,
 * for a scraper takes no page of any size. `part` tells their `up` apart; the series lose it, or one that moved would be another.
 */
function edgeTargets({ organizations }: Plan, self: string, partsOf: (org: string | null) => number): TargetGroup[] {
  const pages =
    organizations.length === 0
      ? [{ org: null, labels: meta('edge') }]
      : organizations.map(({ slug, id }) => ({
          org: slug,
          labels: { ...meta('edge', id), org: slug, __param_org: slug },
        }));
  return pages.flatMap(({ org, labels }) =>
    Array.from({ length: partsOf(org) }, (_, part) => ({
      targets: [self],
      labels: { ...labels, part: String(part), __param_part: String(part) },
    })),
  );
}

/**
 * What runs on an app's instances: the endpoints of its fly.toml, the agent, exporters. Each has a job of its own: they are
 * several programs, whose series (`process_*`, `up`) would be one otherwise.
 */
function appTargets({ region, host, organizations }: Plan, app: AppPlan): TargetGroup[] {
  const tenant = organizations.find(({ slug }) => slug === app.org)?.id;
  const group = (kind: TargetKind, instance: string, target: string, labels: Record<string, string>): TargetGroup => ({
    targets: [target],
    labels: { ...meta(kind, tenant), ...labels, org: app.org, app: app.name, region, host, instance },
  });
  const endpoints = app.metrics.flatMap(({ port, path, https, processes }) =>
    app.instances
      // A unix socket is no host that the port could be of.
      .filter(({ process, host }) => host !== '' && runs(process, processes))
      .map(({ id, host }) => group('app', id, formatAddress({ host, port }), endpoint(port, path, https))),
  );
  const agents = app.instances.flatMap(({ id, agent }) => (agent ? [group('agent', id, agent, { job: 'agent' })] : []));
  const exporters = app.instances.flatMap(({ id, exporters = [] }) =>
    exporters.map((target) => {
      const alone = exporters.every((other) => other === target || portOf(other) !== portOf(target));
      return group('exporter', id, target, { job: `exporter ${alone ? portOf(target) : target}` });
    }),
  );
  return [...endpoints, ...agents, ...exporters];
}

function endpoint(port: number, path: string, https: boolean): Record<string, string> {
  const { path: place, parameters } = parseMetricsPath(path)!;
  return {
    __metrics_path__: place,
    ...Object.fromEntries(parameters.map(([name, value]) => [`__param_${name}`, value])),
    __scheme__: https ? 'https' : 'http',
    job: `${port}${path}`,
  };
}

const portOf = (address: string): string => address.slice(address.lastIndexOf(':') + 1);

const meta = (kind: TargetKind, tenant?: number): Record<string, string> => ({
  __meta_fly_kind: kind,
  ...(tenant === undefined ? {} : { __meta_fly_tenant: String(tenant) }),
});
