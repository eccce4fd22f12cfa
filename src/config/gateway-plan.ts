/** The part of a plan that a gateway runs with, and how another one may take its place. */

import { formatAddress } from './address.ts';
import { difference, fixed, type Named } from './changes.ts';
import { snakeCase } from './limits.ts';
import type { GatewayPlan, Plan } from './plan.ts';

/** A plan that a gateway can run with. */
export type ServedPlan = Plan & { gateway: GatewayPlan };

/** @returns the plan, or what is missing in it. */
export function servedPlan(plan: Plan): ServedPlan | string {
  const { gateway, organizations } = plan;
  if (!gateway) return 'there is no [gateway]: write one, with storage';
  if (organizations.length === 0) return 'there are no organizations: write [[organizations]]';
  return { ...plan, gateway };
}

/** One line for each kind of thing that has changed. */
export function gatewayChanges(before: ServedPlan, after: ServedPlan): string[] {
  const organizations = difference(bySlug(before), bySlug(after));
  const settings = difference(gatewaySettings(before), gatewaySettings(after));
  return [
    ...(organizations === '' ? [] : [`organizations: ${after.organizations.length}${organizations}`]),
    ...(settings === '' ? [] : [`settings${settings.replace(';', ':')}`]),
  ];
}

/** What a running gateway cannot take: it, and its engine, are found there. @returns a sentence for each. */
export function unsupportedGatewayChanges({ gateway: before }: ServedPlan, { gateway: after }: ServedPlan): string[] {
  return fixed('gateway', [
    ['gateway.listen', formatAddress(before), formatAddress(after)],
    ['gateway.metrics', formatAddress(before.metrics), formatAddress(after.metrics)],
    ['gateway.storage', before.storage, after.storage],
  ]);
}

const bySlug = ({ organizations }: Plan): Named => new Map(organizations.map((each) => [each.slug, each]));

const gatewaySettings = ({ gateway, metrics, trustedProxies }: ServedPlan): Named =>
  new Map<string, unknown>([
    ['gateway.hosts', gateway.hosts],
    ['gateway.location', gateway.location],
    ['gateway.keys', gateway.keys],
    ...Object.entries(gateway.limits).map(([name, value]): [string, unknown] => [`gateway.${snakeCase(name)}`, value]),
    ['trusted_proxies', trustedProxies],
    // Where the engine that it started scrapes the edge.
    ['metrics.listen', formatAddress(metrics)],
  ]);
