/** The gateway with all that belongs to it, from a plan. */

import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { type Address, formatAddress } from '../config/address.ts';
import type { GatewayPlan, Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { processRegistry } from '../metrics/process.ts';
import { reachable, scrapeConfig } from '../metrics/scrape-config.ts';
import { TrustedPeers } from '../proxy/listener/trusted.ts';
import { version } from '../supervisor/version.ts';
import { Attempts } from '../tokens/attempts.ts';
import { Authorizer } from '../tokens/authorizer.ts';
import { Keys } from '../tokens/keys.ts';
import { Revocations } from '../tokens/revocations.ts';
import { answers, Engine } from './engine.ts';
import { createGateway } from './gateway.ts';
import { createOwnServer } from './own-server.ts';
import { Quarantine, type QuarantineOptions } from './quarantine.ts';
import { GatewaySeries } from './series.ts';
import { Suspects } from './suspects.ts';

export interface OwnEngine {
  /** victoria-metrics. */
  program: string;
  /** For its data; made when missing. */
  folder: string;
  /** Seconds between scrapes. */
  interval: number;
  /** Further flags; they win over ours. */
  args: string[];
}

export interface StartOptions {
  plan: Plan & { gateway: GatewayPlan };
  log: Log;
  /** Null: the storage tier runs elsewhere. */
  engine: OwnEngine | null;
  quarantine?: QuarantineOptions;
}

export interface RunningGateway {
  /** Of the engine that was started here. */
  readonly enginePid: number | undefined;
  stop(): Promise<void>;
}

/** How long an engine may take to come back before its suspects are given up: ours reads its data again. */
const patience = { own: 20_000, other: 5_000 };

/** @returns why it cannot run, or what stops it. */
export async function startGateway(options: StartOptions): Promise<RunningGateway | { fault: string }> {
  const { plan, log } = options;
  const { gateway, organizations } = plan;
  const storage = new URL(gateway.storage.replaceAll('{tenant}', '0'));
  const register = processRegistry('fly_gateway_build_info', version);
  const series = new GatewaySeries(
    register,
    organizations.map(({ slug }) => slug),
  );
  const engine = options.engine === null ? null : makeEngine(options.engine, storage, options, series);
  const own = createOwnServer(register);
  const api = createGateway({
    plan: gateway,
    organizations,
    authorizer: new Authorizer({
      keys: new Keys(gateway.keys),
      revocations: new Revocations(gateway.keys),
      organizations,
      location: gateway.location,
      clock: Date.now,
    }),
    attempts: new Attempts(),
    trusted: new TrustedPeers(plan.trustedProxies.cidrs),
    quarantine: new Quarantine(options.quarantine),
    suspects: new Suspects({
      back: (until) => answers(new URL('/health', storage), until),
      restarts: engine !== null,
      patience: engine === null ? patience.other : patience.own,
    }),
    series,
    log,
  });
  const stop = async () => {
    for (const server of [api, own]) {
      server.close();
      server.closeAllConnections();
    }
    await engine?.stop();
  };
  const fault =
    (await listen(own, gateway.metrics, 'metrics')) ??
    (await listen(api, gateway, 'listen')) ??
    (await engine?.start()) ??
    null;
  if (fault === null)
    return {
      get enginePid() {
        return engine?.pid;
      },
      stop,
    };
  await stop();
  return { fault };
}

/** victoria-metrics, which scrapes the edge itself. */
function makeEngine(own: OwnEngine, storage: URL, { plan, log }: StartOptions, series: GatewaySeries): Engine {
  const { program, folder, interval, args } = own;
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'scrape.yml');
  const edges = [formatAddress(reachable(plan.metrics))];
  const gateway = formatAddress(reachable(plan.gateway.metrics));
  writeFileSync(config, scrapeConfig({ engine: 'victoria-metrics', edges, gateway, interval, tenants: false }));
  const flags = [
    `-httpListenAddr=${storage.host}`,
    `-storageDataPath=${join(folder, 'data')}`,
    `-promscrape.config=${config}`,
    `-promscrape.httpSDCheckInterval=${interval}s`,
    // By default people see nothing for half a minute after their first request.
    '-search.latencyOffset=1s',
    `-search.maxQueryDuration=${plan.gateway.limits.timeout}ms`,
    '-loggerLevel=ERROR',
  ];
  const url = new URL('/health', storage);
  return new Engine({ program, args: [...flags, ...args], url, log, ended: () => series.engineEnded() });
}

function listen(server: Server, { host, port }: Address, key: string): Promise<string | null> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(`[gateway] ${key}: ${formatAddress({ host, port })}: ${error.message}`));
    server.listen({ host, port }, () => resolve(null));
  });
}
