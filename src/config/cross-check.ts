import { type Address, formatAddress } from './address.ts';
import type { LoadedApp } from './apps.ts';
import type { EdgeFile } from './edge-file.ts';
import { flyStandIns } from './fly-file.ts';
import { collide } from './listeners.ts';
import { suggestion } from './nearest.ts';
import type { Plan } from './plan.ts';
import type { Path, TomlFile } from './toml.ts';

/** What must agree between the tables of edge.toml. `faulty`: those that something faulty was taken out of. */
export function crossCheck(
  edge: EdgeFile,
  apps: LoadedApp[],
  plan: Plan,
  faulty: Set<PropertyKey>,
  toml: TomlFile,
): void {
  nothingTwice(edge, toml);
  // A faulty organization, or an app whose fly.toml is faulty, may be the one that is meant.
  if (edge.organizations.length > 0 && !faulty.has('organizations')) {
    const slugs = edge.organizations.map(({ slug }) => slug);
    for (const [i, { org }] of edge.apps.entries()) {
      const path = ['apps', i, 'org'];
      const what = toml.at(path) === undefined ? 'org is missing: the default organization' : 'organization';
      known(what, org, slugs, path, toml);
    }
  }
  const names = apps.map(({ plan }) => plan.name);
  if (names.length === edge.apps.length && !names.includes(flyStandIns.app) && !faulty.has('apps')) {
    for (const [i, { app }] of edge.volumes.entries()) known('app', app, names, ['volumes', i, 'app'], toml);
  }
  nothingListensTwice(edge, plan, toml);
}

function nothingTwice(edge: EdgeFile, toml: TomlFile): void {
  once(
    'organization',
    'slug',
    edge.organizations.map(({ slug }, i) => [slug, ['organizations', i, 'slug']]),
    toml,
  );
  once(
    'organization',
    'id',
    edge.organizations.map(({ id }, i) => [id, ['organizations', i, 'id']]),
    toml,
  );
  once(
    'volume',
    'id',
    edge.volumes.map(({ id }, i) => [id, ['volumes', i, 'id']]),
    toml,
  );
  const hostnames = edge.apps.flatMap(({ hostnames }, i) =>
    hostnames.map((name, j): [string, Path] => [name, ['apps', i, 'hostnames', j]]),
  );
  once('host', 'name', hostnames, toml);
}

function once(what: string, key: string, claims: [value: string | number, path: Path][], toml: TomlFile): void {
  const first = new Map<string | number, number>();
  for (const [value, path] of claims) {
    const line = first.get(value);
    if (line === undefined) first.set(value, toml.origin(path).line);
    else {
      const message = `${what} ${key} ${JSON.stringify(value)} is claimed twice, first at line ${line}: write it once`;
      toml.fail(path, message);
    }
  }
}

function known(what: string, value: string, all: string[], path: Path, toml: TomlFile): void {
  if (all.includes(value)) return;
  const write = all.length === 0 ? `there is none, leave it out` : suggestion(value, all);
  toml.fail(path, `${what} "${value}" is unknown: ${write}`);
}

function nothingListensTwice(edge: EdgeFile, plan: Plan, toml: TomlFile): void {
  const apart = (address: Address, path: Path): void => {
    const other = plan.listeners.find((listener) => collide({ host: listener.address, port: listener.port }, address));
    if (other === undefined) return;
    const { file, line } = other.origin!;
    toml.fail(path, `${formatAddress(address)} is also where an app listens (${file}:${line}): write another port`);
  };
  apart(plan.metrics, ['metrics', 'listen']);
  if (edge.gateway === undefined) return;
  const { listen, metrics } = edge.gateway;
  for (const [key, address, others] of [
    ['listen', listen, { 'metrics.listen': plan.metrics }],
    ['metrics', metrics, { 'metrics.listen': plan.metrics, 'gateway.listen': listen }],
  ] as const) {
    apart(address, ['gateway', key]);
    for (const [other, taken] of Object.entries(others)) {
      if (!collide(taken, address)) continue;
      toml.fail(['gateway', key], `${formatAddress(address)} is also ${other}: write another port`);
    }
  }
}
