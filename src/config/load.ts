import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { bucketFault } from '../base/buckets.ts';
import { advise } from './advice.ts';
import { appsOf } from './apps.ts';
import { certificatesOf } from './certificates.ts';
import { check } from './check.ts';
import { crossCheck } from './cross-check.ts';
import { type EdgeFile, edgeFile, edgeStandIns } from './edge-file.ts';
import { type Fault, type Findings, inOneLine, inReadingOrder } from './fault.ts';
import { limitNames, limits, snakeCase } from './limits.ts';
import { listenersOf } from './listeners.ts';
import type { GatewayPlan, Limits, Plan, ResolverPlan, SlotsPlan } from './plan.ts';
import { reasonOf } from './reason.ts';
import { parseToml, type TomlFile } from './toml.ts';

export interface Loaded extends Findings {
  /** Null when there are faults. */
  plan: Plan | null;
}

/**
 * Reads edge.toml and every fly.toml and certificate that it names. All faults are told at once, in reading order.
 * Never throws for what a user can write.
 */
export async function loadPlan(file: string): Promise<Loaded> {
  const findings: Findings = { faults: [], warnings: [] };
  const toml = await readEdge(file, findings);
  const plan = toml === null ? null : await planOf(toml);
  return {
    plan: findings.faults.length === 0 ? plan : null,
    faults: inReadingOrder(findings.faults),
    warnings: warningsOf(findings, file),
  };
}

/** What a fly.toml says to others is no fault of its own, and there may be many of them: a line for each file. */
function warningsOf({ warnings }: Findings, edge: string): Fault[] {
  const byFile = Map.groupBy(inReadingOrder(warnings), ({ file }) => file);
  return [...byFile].flatMap(([file, all]) => (file === edge ? all : inOneLine(all)));
}

async function readEdge(file: string, findings: Findings): Promise<TomlFile | null> {
  try {
    return parseToml(file, await readFile(file), findings);
  } catch (error) {
    const message = `this file can't be read (${reasonOf(error)}): write the path of edge.toml`;
    findings.faults.push({ file, line: 1, column: 1, message });
    return null;
  }
}

async function planOf(toml: TomlFile): Promise<Plan> {
  const { value: edge, faulty } = check(edgeFile, toml, { unknown: 'fault', standIns: edgeStandIns });
  const folder = dirname(toml.file);
  const certificates = await certificatesOf(edge.certificates, folder, toml);
  const apps = await appsOf(edge, toml);
  const owners = apps.map(({ owner }) => owner);
  const plan: Plan = {
    region: edge.region,
    host: edge.host,
    listeners: listenersOf(owners, edge.address, edge.ports),
    apps: apps.map(({ plan }) => plan),
    certificates,
    metrics: {
      ...edge.metrics.listen,
      hosts: edge.metrics.hosts,
      buckets: bucketsOf(edge, toml),
      origin: toml.origin(['metrics', 'listen']),
    },
    log: { access: edge.log.access, file: edge.log.file === undefined ? null : resolve(folder, edge.log.file) },
    slots: slotsOf(edge, toml),
    trustedProxies: {
      cidrs: edge.trusted_proxies.cidrs,
      proxyProtocol: edge.trusted_proxies.proxy_protocol,
      flyClientIp: edge.trusted_proxies.fly_client_ip,
    },
    limits: limitsOf(edge),
    resolver: resolverOf(edge, folder),
    organizations: edge.organizations,
    gateway: gatewayOf(edge, folder),
    volumes: edge.volumes,
  };
  crossCheck(edge, apps, plan, faulty, toml);
  // While something is faulty, what seems to be missing may be what was faulty.
  if (toml.findings.faults.length === 0) advise(apps, plan, toml);
  return plan;
}

function bucketsOf(edge: EdgeFile, toml: TomlFile): number[] | null {
  const { buckets } = edge.metrics;
  if (buckets === undefined) return null;
  const wrong = bucketFault(buckets);
  if (wrong !== null) toml.fail(['metrics', 'buckets'], wrong);
  return buckets;
}

/** The shortest of the systems' `sun_path`: macOS' 104 bytes, with its final NUL. */
const longestSocketPath = 103;

function slotsOf({ slots }: EdgeFile, toml: TomlFile): SlotsPlan {
  const control = resolve(dirname(toml.file), slots.control);
  const length = Buffer.byteLength(control);
  if (length > longestSocketPath) {
    const message = `the socket's whole path has ${length} bytes: write one that has at most ${longestSocketPath}`;
    toml.fail(['slots', 'control'], message);
  }
  return {
    workers: slots.workers ?? availableParallelism(),
    readyTimeout: slots.ready_timeout,
    maxDraining: slots.max_draining,
    drainTimeout: slots.drain_timeout,
    websocketDrainTimeout: slots.websocket_drain_timeout,
    control,
  };
}

function limitsOf(edge: EdgeFile): Limits {
  const given = edge.limits as Record<string, number | undefined>;
  const entries = limitNames.map((name) => [name, given[snakeCase(name)] ?? limits[name].default]);
  return Object.fromEntries(entries) as Limits;
}

function resolverOf({ resolver }: EdgeFile, folder: string): ResolverPlan {
  const { servers = null, search = null, ndots = null, hosts } = resolver;
  return { servers, search, ndots, hosts: resolve(folder, hosts) };
}

function gatewayOf({ gateway }: EdgeFile, folder: string): GatewayPlan | null {
  if (gateway === undefined) return null;
  const { listen, hosts, storage, keys, location, metrics, concurrency, queue, timeout } = gateway;
  return {
    ...listen,
    hosts,
    storage,
    keys: resolve(folder, keys),
    location,
    metrics,
    limits: {
      concurrency,
      engineConcurrency: gateway.engine_concurrency ?? null,
      queue,
      queueTimeout: gateway.queue_timeout,
      timeout,
      responseSize: gateway.response_size,
      requestSize: gateway.request_size,
    },
  };
}
