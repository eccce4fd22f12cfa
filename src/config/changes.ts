/** What a new plan changes, for whoever asked for it. Pure. */

import { isDeepStrictEqual } from 'node:util';
import { formatAddress } from './address.ts';
import type { Plan } from './plan.ts';

/** Things of a kind, by name. */
export type Named = Map<string, unknown>;

/** One line for each kind of thing: `apps: 2; added shop; removed old`. */
export function changes(before: Plan, after: Plan): string[] {
  const kinds = (plan: Plan): [string, Named][] => [
    ['apps', apps(plan)],
    ['instances', instances(plan)],
    ['listeners', listeners(plan)],
    ['certificates', certificates(plan)],
  ];
  const old = new Map(kinds(before));
  const lines = kinds(after).map(([kind, now]) => `${kind}: ${now.size}${difference(old.get(kind)!, now)}`);
  const settings = difference(new Map(Object.entries(other(before))), new Map(Object.entries(other(after))));
  return settings === '' ? lines : [...lines, `settings${settings.replace(';', ':')}`];
}

/**
 * What a running edge cannot take: its series carry region and host and have fixed buckets, and it is found by its
 * sockets. @returns a sentence for each.
 */
export function unsupportedChanges(before: Plan, after: Plan): string[] {
  return fixed('edge', [
    ['region', before.region, after.region],
    ['host', before.host, after.host],
    ['metrics.buckets', before.metrics.buckets, after.metrics.buckets],
    ['metrics.listen', formatAddress(before.metrics), formatAddress(after.metrics)],
    ['slots.control', before.slots.control, after.slots.control],
  ]);
}

/** @returns a sentence for each that is not what it was. */
export const fixed = (what: string, values: [key: string, before: unknown, after: unknown][]): string[] =>
  values
    .filter(([, old, now]) => !isDeepStrictEqual(old, now))
    .map(([key]) => `${key} cannot change while the ${what} runs: write the old value, or stop it and run it again`);

/** `; added shop; removed old`; empty when there is none. */
export function difference(before: Named, after: Named): string {
  const added = [...after.keys()].filter((name) => !before.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const changed = [...after].filter(([name, value]) => before.has(name) && !isDeepStrictEqual(before.get(name), value));
  const parts: [string, string[]][] = [
    ['added', added],
    ['removed', removed],
    ['changed', changed.map(([name]) => name)],
  ];
  return parts
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `; ${what} ${names.join(', ')}`)
    .join('');
}

/** Without what is told as instances and listeners. */
const apps = ({ apps }: Plan): Named =>
  new Map(
    apps.map(({ instances: _instances, services, ...app }) => [
      app.name,
      { ...app, services: services.map(({ upstreams: _upstreams, ...service }) => service) },
    ]),
  );

const instances = ({ apps }: Plan): Named =>
  new Map(
    apps.flatMap((app) =>
      app.instances.map((instance) => [
        `${app.name}/${instance.id}`,
        { instance, upstreams: app.services.map((s) => s.upstreams.filter((u) => u.instance === instance.id)) },
      ]),
    ),
  );

const listeners = ({ listeners, apps }: Plan): Named =>
  new Map(
    listeners.map(({ key, wire, ports }) => [
      key,
      { wire, ports: ports.map(({ app, ...port }) => ({ ...port, app: apps[app]!.name })) },
    ]),
  );

const certificates = ({ certificates }: Plan): Named =>
  new Map(certificates.map(({ hostnames, cert, key }) => [hostnames.join(' '), { cert, key }]));

const other = ({ log, slots, trustedProxies, limits, resolver, organizations }: Plan): Record<string, unknown> => ({
  log,
  slots,
  trusted_proxies: trustedProxies,
  limits,
  resolver,
  organizations,
});
