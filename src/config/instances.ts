import { dirname, resolve } from 'node:path';
import type { InstanceAddress } from './address.ts';
import type { EdgeFile } from './edge-file.ts';
import { suggestion } from './nearest.ts';
import type { AppPlan, UpstreamPlan } from './plan.ts';
import type { Service } from './services.ts';
import type { Path, TomlFile } from './toml.ts';

type Instance = Omit<AppPlan['instances'][number], 'host'> & { address: InstanceAddress };

/** Linux' `sun_path`, without its final NUL. */
const longestSocketPath = 107;

/** The name of the one process group of a fly.toml without `[processes]`. */
const defaultGroup = 'app';

/** The instances of one app; `groups` are the process groups of its fly.toml. */
export function instancesOf(row: EdgeFile['apps'][number], app: number, groups: string[], edge: TomlFile): Instance[] {
  const lines = new Map<string, number>();
  return row.instances.map((instance, i) => {
    const at: Path = ['apps', app, 'instances', i];
    const id = edge.origin([...at, 'id']);
    const first = lines.get(instance.id);
    if (first === undefined) lines.set(instance.id, id.line);
    else {
      const message = `instance "${instance.id}" is listed twice, first at line ${first}: write each instance's own id`;
      edge.fail([...at, 'id'], message);
    }
    return {
      id: instance.id,
      process: groupOf(instance.process, groups, at, edge),
      address: absolute(instance.address, [...at, 'address'], edge),
      agent: instance.agent ?? null,
      exporters: instance.exporters,
    };
  });
}

function absolute(address: InstanceAddress, at: Path, edge: TomlFile): InstanceAddress {
  if (!('path' in address)) return address;
  const path = resolve(dirname(edge.file), address.path);
  const length = Buffer.byteLength(path);
  if (length > longestSocketPath) {
    const message = `the socket's whole path has ${length} bytes: write one that has at most ${longestSocketPath}`;
    edge.fail(at, message);
  }
  return { path };
}

/** The instance's process group. One need not be named when there is only one, or the default one. */
function groupOf(process: string | undefined, groups: string[], at: Path, edge: TomlFile): string | null {
  const known = groups.length === 0 ? [defaultGroup] : groups;
  if (process === undefined) {
    if (groups.length === 1) return groups[0];
    if (known.includes(defaultGroup)) return groups.length === 0 ? null : defaultGroup;
    const message = `process is missing: fly.toml has several process groups, write one of ${known.join(', ')}`;
    edge.fail(at, message);
  } else if (!known.includes(process)) {
    const message = `process group "${process}" is not in the app's fly.toml: ${suggestion(process, known)}`;
    edge.fail([...at, 'process'], message);
  }
  return process ?? null;
}

/** Whether an instance is of these process groups; none means all. */
export const runs = (process: string | null, groups: string[]): boolean =>
  groups.length === 0 || groups.includes(process ?? defaultGroup);

/** The instances that back a service: all, or those of its process groups. */
export function upstreamsOf(prefix: string, service: Service, instances: Instance[]): UpstreamPlan[] {
  return instances
    .filter(({ process }) => runs(process, service.processes))
    .map(({ id, address }) => ({
      key: `${prefix}/${id}`,
      instance: id,
      ...('path' in address
        ? { host: '', port: 0, path: address.path }
        : { host: address.host, port: address.port ?? service.internalPort }),
    }));
}
