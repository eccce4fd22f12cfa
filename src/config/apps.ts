import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { check } from './check.ts';
import type { EdgeFile } from './edge-file.ts';
import { flyFile, flyStandIns, machineKeys, metricsOf, warnOfOthers } from './fly-file.ts';
import { rewriteForms } from './fly-forms.ts';
import { instancesOf, upstreamsOf } from './instances.ts';
import type { PortOwner } from './listeners.ts';
import type { AppPlan } from './plan.ts';
import { portsOf } from './ports.ts';
import { reasonOf } from './reason.ts';
import { servicesOf } from './services.ts';
import { parseToml, type TomlFile } from './toml.ts';

export interface LoadedApp {
  plan: AppPlan;
  owner: PortOwner;
  /** Index in edge.toml's `[[apps]]`. */
  index: number;
}

/** Every app of edge.toml whose fly.toml could be read. */
export async function appsOf(edge: EdgeFile, toml: TomlFile): Promise<LoadedApp[]> {
  const apps: LoadedApp[] = [];
  for (const [index, row] of edge.apps.entries()) {
    const fly = await readFly(row.config, index, toml);
    if (fly === null) continue;
    const app = appOf(row, index, fly, toml);
    const first = apps.find((other) => other.plan.name === app.plan.name && app.plan.name !== flyStandIns.app);
    if (first === undefined) apps.push(app);
    else {
      const { line } = toml.origin(['apps', first.index, 'config']);
      const message = `app "${app.plan.name}" is listed twice, first at line ${line}: leave one of them out`;
      toml.fail(['apps', index, 'config'], message);
    }
  }
  return apps;
}

async function readFly(config: string, index: number, edge: TomlFile): Promise<TomlFile | null> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(resolve(dirname(edge.file), config));
  } catch (error) {
    const message = `${config} can't be read (${reasonOf(error)}): write the path of the app's fly.toml`;
    edge.fail(['apps', index, 'config'], message);
    return null;
  }
  const name = resolve(config) === config ? config : join(dirname(edge.file), config);
  return parseToml(name, bytes, edge.findings);
}

function appOf(row: EdgeFile['apps'][number], index: number, toml: TomlFile, edge: TomlFile): LoadedApp {
  rewriteForms(toml);
  warnOfOthers(toml);
  const { value: fly } = check(flyFile, toml, { unknown: 'warning', ignored: machineKeys, standIns: flyStandIns });
  const services = servicesOf(fly, toml);
  const groups = Object.keys(fly.processes);
  for (const { at, processes } of [
    ...services,
    ...fly.metrics.map(({ processes }, i) => ({ at: ['metrics', i], processes })),
  ]) {
    for (const [i, group] of processes.entries()) {
      if (group === 'app' || groups.includes(group)) continue;
      const message = `process group "${group}" is not in [processes]: add it there, or write one that is`;
      toml.fail([...at, 'processes', i], message);
    }
  }
  const instances = instancesOf(row, index, groups, edge);
  const plan: AppPlan = {
    name: fly.app,
    org: row.org,
    hostnames: row.hostnames,
    services: services.map((service, i) => ({
      internalPort: service.internalPort,
      concurrency: service.concurrency,
      checks: service.checks,
      upstreams: upstreamsOf(`${fly.app}/${i}`, service, instances),
    })),
    instances: instances.map(({ address, ...instance }) => ({
      ...instance,
      host: 'path' in address ? '' : address.host,
    })),
    metrics: metricsOf(fly),
  };
  verifiable(plan, index, edge);
  const udp = fly.services.some(({ protocol }) => protocol === 'udp');
  const owner = { name: fly.app, toml, udp, keys: services.map(({ key }) => key), services: portsOf(services, toml) };
  return { plan, index, owner };
}

/** A certificate is for a name, which a unix socket does not have. */
function verifiable({ services, instances }: AppPlan, app: number, edge: TomlFile): void {
  const sockets = new Set(
    services
      .filter(({ checks }) =>
        checks.some((c) => c.type === 'http' && c.protocol === 'https' && !c.tlsSkipVerify && c.tlsServerName === null),
      )
      .flatMap(({ upstreams }) => upstreams.flatMap(({ instance, path }) => (path === undefined ? [] : [instance]))),
  );
  for (const [i, { id }] of instances.entries()) {
    if (!sockets.has(id)) continue;
    const message =
      'an https check has no name to find in the certificate of a unix socket: add tls_server_name to it, or tls_skip_verify = true';
    edge.fail(['apps', app, 'instances', i, 'address'], message);
  }
}
