import type { LoadedApp } from './apps.ts';
import { covers } from './certificates.ts';
import { runs } from './instances.ts';
import type { AppPlan, Plan } from './plan.ts';
import type { Path, TomlFile } from './toml.ts';

/** Warns of what is well formed, but hardly meant: mostly what no client could ever reach. */
export function advise(apps: LoadedApp[], plan: Plan, toml: TomlFile): void {
  const { cidrs, proxyProtocol } = plan.trustedProxies;
  if (proxyProtocol !== 'off' && cidrs.length === 0) {
    const message = 'no proxy is trusted to send a PROXY header: write their addresses as cidrs';
    toml.warn(['trusted_proxies', 'proxy_protocol'], message);
  }
  const { connectTimeout, retryTime, retryAttempts } = plan.limits;
  if (retryAttempts > 0 && retryTime <= connectTimeout) {
    const message = `a connect that times out leaves no time to try another instance: write more than connect_timeout (${connectTimeout / 1000}s)`;
    toml.warn(['limits', 'retry_time'], message);
  }
  if (apps.length === 0) toml.warn([], 'no app: write an [[apps]] table for each');
  for (const [i, app] of apps.entries()) adviseOnApp(app, i, plan, toml);
  adviseOnCertificates(apps, plan, toml);
}

function adviseOnApp({ plan: app, index, owner }: LoadedApp, number: number, plan: Plan, toml: TomlFile): void {
  const warn = (message: string): void => toml.warn(['apps', index, 'config'], `app "${app.name}" ${message}`);
  const listeners = plan.listeners.filter(({ ports }) => ports.some((port) => port.app === number));
  // Its fly.toml's warning tells of what it has over udp.
  if (listeners.length === 0 && !owner.udp) warn('has no ports: write a service in its fly.toml');
  if (listeners.some(({ wire }) => wire !== 'raw') && app.hostnames.length === 0) {
    warn('has no hostnames, so that no request can find it: write hostnames');
  }
  for (const [i, { upstreams, internalPort }] of app.services.entries()) {
    if (upstreams.length > 0 || owner.services[i].length === 0) continue;
    warn(`has no instance for internal_port ${internalPort}: write [[apps.instances]]`);
  }
  const open = app.services.filter((_, i) => owner.services[i].length > 0);
  warnOfSharedPort({ ...app, services: open }, index, toml);
  warnOfUnscraped(app, index, toml);
}

/** One line for all: a configuration for http alone has many, and they are all meant. */
function adviseOnCertificates(apps: LoadedApp[], plan: Plan, toml: TomlFile): void {
  const bare = apps.flatMap(({ plan: app, index }, number) => {
    const needed = plan.listeners.some(
      ({ wire, ports }) =>
        (wire === 'tls' || wire === 'pg_tls') &&
        ports.some((port) => port.app === number && !port.tls.defaultSelfSigned),
    );
    if (!needed) return [];
    const names = app.hostnames.map((name, i): [name: string, at: Path] => [name, ['apps', index, 'hostnames', i]]);
    return names.filter(
      ([name]) => name !== '*' && !plan.certificates.some((certificate) => covers(certificate, name)),
    );
  });
  if (bare.length === 0) return;
  const names = bare.slice(0, 3).map(([name]) => name);
  const more = bare.length > names.length ? ` and ${bare.length - names.length} more` : '';
  const message = `no certificate is for ${names.join(', ')}${more}, handshakes there will fail: add one to [[certificates]], or default_self_signed = true to tls_options`;
  toml.warn(bare[0][1], message);
}

function warnOfUnscraped({ instances, metrics }: AppPlan, app: number, toml: TomlFile): void {
  for (const [i, { host, process }] of instances.entries()) {
    if (host !== '') continue;
    for (const { port } of metrics.filter(({ processes }) => runs(process, processes))) {
      const message = `a unix socket is no host: its metrics on port ${port} are not in /sd, write their address as one of its exporters`;
      toml.warn(['apps', app, 'instances', i, 'address'], message);
    }
  }
}

/** A port with an instance's address is for all services that it backs, also for those that other ports are meant for. */
function warnOfSharedPort({ services, instances }: AppPlan, app: number, toml: TomlFile): void {
  for (const [i, { id }] of instances.entries()) {
    const backed = services.filter(({ upstreams }) => upstreams.some(({ instance }) => instance === id));
    const places = backed.map(({ upstreams }) => upstreams.find(({ instance }) => instance === id)!);
    const ports = new Set(places.map(({ port }) => port));
    const internal = new Set(backed.map(({ internalPort }) => internalPort));
    if (ports.size > 1 || internal.size < 2) continue;
    const place = places[0]!.path === undefined ? `port ${places[0]!.port}` : 'one socket';
    const instead = places[0]!.path === undefined ? 'write the host alone for their own ports' : 'write a host';
    const message = `${place} for all services of this instance (internal_port ${[...internal].join(', ')}): ${instead}`;
    toml.warn(['apps', app, 'instances', i, 'address'], message);
  }
}
