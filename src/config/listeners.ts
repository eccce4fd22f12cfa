import { type Address, formatAddress } from './address.ts';
import type { Origin } from './fault.ts';
import type { ListenerPlan, PortPlan } from './plan.ts';
import type { PortRequest } from './ports.ts';
import type { TomlFile } from './toml.ts';

/** An app's ports by service, and the fly.toml that they come from. */
export interface PortOwner {
  name: string;
  toml: TomlFile;
  /** It has services over UDP, too. */
  udp: boolean;
  /** One key for each service: see `Service.key`. */
  keys: string[];
  services: PortRequest[][];
}

const told = (wire: ListenerPlan['wire']): string => (wire === 'raw' ? 'raw TCP' : wire);

/**
 * The local ports. Those that begin with http, tls or pg_tls are shared by apps, each of them only once; a raw TCP port
 * belongs to one app. `local` maps ports of fly.toml to local ones.
 */
export function listenersOf(owners: PortOwner[], address: string, local: Record<string, number>): ListenerPlan[] {
  const listeners = new Map<number, ListenerPlan & { origin: Origin }>();
  for (const [app, owner] of owners.entries()) {
    for (const [service, requests] of owner.services.entries()) {
      for (const { at, first, last, wire, settings } of requests) {
        for (let publicPort = first; publicPort <= last; publicPort++) {
          const port = local[publicPort] ?? publicPort;
          let listener = listeners.get(port);
          if (listener === undefined) {
            const key = formatAddress({ host: address, port });
            listener = { key, address, port, wire, ports: [], origin: owner.toml.origin(at) };
            listeners.set(port, listener);
          }
          const named = port === publicPort ? `port ${port}` : `port ${publicPort} (here ${port})`;
          const twin = listener.wire === wire ? listener.ports.find((other) => other.app === app) : undefined;
          if (twin !== undefined && owner.keys[twin.service] !== owner.keys[service]) {
            // flyctl takes two services that differ and a port of both; the platform keeps the first.
            const line = lineOf(twin, owner);
            owner.toml.warn(at, `${named} is already served by the service of line ${line}: it is left out here`);
            continue;
          }
          const conflict = twin === undefined ? conflictOf(listener, wire, owners) : toldTwice(twin, owner);
          if (conflict === null) {
            const localHttpsPort = local[settings.httpsPort] ?? settings.httpsPort;
            listener.ports.push({ app, service, publicPort, localPort: port, localHttpsPort, ...settings });
          } else {
            owner.toml.fail(at, `${named} ${conflict}`);
            break;
          }
        }
      }
    }
  }
  return [...listeners.values()];
}

/** Where a port is listed. */
function lineOf({ service, publicPort }: PortPlan, { toml, services }: PortOwner): number {
  return toml.origin(services[service].find(({ first, last }) => first <= publicPort && publicPort <= last)!.at).line;
}

const toldTwice = (twin: PortPlan, owner: PortOwner): string =>
  `is listed twice by app "${owner.name}", first at ${owner.toml.file}:${lineOf(twin, owner)}: write it once`;

/** Why a listener can't be this app's too; null when it can. */
function conflictOf(
  listener: ListenerPlan & { origin: Origin },
  wire: ListenerPlan['wire'],
  owners: PortOwner[],
): string | null {
  const { file, line } = listener.origin;
  if (listener.wire !== wire) {
    return `is for ${told(wire)} here, but for ${told(listener.wire)} at ${file}:${line}: write another port`;
  }
  if (wire !== 'raw' || listener.ports.length === 0) return null;
  const first = owners[listener.ports[0].app].name;
  return `is for raw TCP and already app "${first}"'s (${file}:${line}): write a port that no other app has`;
}

const anyAddress = new Set(['0.0.0.0', '::']);

/** Both could not be bound at once. A wildcard address takes the port on every other. */
export const collide = (a: Address, b: Address): boolean =>
  a.port === b.port && (a.host === b.host || anyAddress.has(a.host) || anyAddress.has(b.host));
