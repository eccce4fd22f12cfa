/** What a new plan changes, for whoever asked for it. Pure. */

import { isDeepStrictEqual } from 'node:util';
import { atOnce } from '../base/slices.ts';
import { formatAddress } from './address.ts';
import type { Plan } from './plan.ts';

/** Things of a kind, by name. */
export type Named = Map<string, unknown>;

const kinds: [kind: string, read: (plan: Plan) => Generator<void, Named>][] = [
  ['apps', apps],
  ['instances', instances],
  ['listeners', listeners],
  ['certificates', certificates],
];

/** One line for each kind of thing: `apps: 2; added shop; removed old`. */
export const changes = (before: Plan, after: Plan): string[] => atOnce(changesInSteps(before, after));

/** The same, with pauses for whoever has more to do. */
export function* changesInSteps(before: Plan, after: Plan): Generator<void, string[]> {
  const lines: string[] = [];
  for (const [kind, read] of kinds) {
    const now = yield* read(after);
    lines.push(`${kind}: ${now.size}${yield* differenceInSteps(yield* read(before), now)}`);
  }
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
export const difference = (before: Named, after: Named): string => atOnce(differenceInSteps(before, after));

function* differenceInSteps(before: Named, after: Named): Generator<void, string> {
  const added: string[] = [];
  const changed: string[] = [];
  for (const [name, value] of after) {
    if (!before.has(name)) added.push(name);
    else if (!isDeepStrictEqual(before.get(name), value)) changed.push(name);
    yield;
  }
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const parts: [string, string[]][] = [
    ['added', added],
    ['removed', removed],
    ['changed', changed],
  ];
  return parts
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `; ${what} ${names.join(', ')}`)
    .join('');
}

/** Without what is told as instances and listeners. */
function* apps({ apps }: Plan): Generator<void, Named> {
  const named: Named = new Map();
  for (const { instances: _instances, services, ...app } of apps) {
    named.set(app.name, { ...app, services: services.map(({ upstreams: _upstreams, ...service }) => service) });
    yield;
  }
  return named;
}

function* instances({ apps }: Plan): Generator<void, Named> {
  const named: Named = new Map();
  for (const { name, instances, services } of apps) {
    const upstreams = services.map((service) => Map.groupBy(service.upstreams, ({ instance }) => instance));
    for (const instance of instances) {
      named.set(`${name}/${instance.id}`, { instance, upstreams: upstreams.map((its) => its.get(instance.id)) });
      yield;
    }
  }
  return named;
}

function* listeners({ listeners, apps }: Plan): Generator<void, Named> {
  const named: Named = new Map();
  for (const { key, wire, ports } of listeners) {
    named.set(key, { wire, ports: ports.map(({ app, ...port }) => ({ ...port, app: apps[app]!.name })) });
    yield;
  }
  return named;
}

function* certificates({ certificates }: Plan): Generator<void, Named> {
  return new Map(certificates.map(({ hostnames, cert, key }) => [hostnames.join(' '), { cert, key }]));
}

const other = ({ log, slots, trustedProxies, limits, resolver, organizations }: Plan): Record<string, unknown> => ({
  log,
  slots,
  trusted_proxies: trustedProxies,
  limits,
  resolver,
  organizations,
});
