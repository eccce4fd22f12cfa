/** victoria-metrics, started here, which scrapes the edge itself. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress } from '../config/address.ts';
import { longestDelay } from '../config/duration.ts';
import type { ServedPlan } from '../config/gateway-plan.ts';
import type { Log } from '../log/log.ts';
import { reachable, scrapeConfig } from '../metrics/scrape-config.ts';
import { replaceFile } from '../tokens/files.ts';
import { ownCapacity } from './capacity.ts';
import { Engine } from './engine.ts';
import type { EngineAccess } from './engine-access.ts';

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

export interface Around {
  /** Where it is to listen. */
  storage: URL;
  access: EngineAccess;
  log: Log;
  /** Called after each end that nobody asked for. */
  ended: () => void;
}

export function makeEngine(own: OwnEngine, plan: ServedPlan, { storage, access, log, ended }: Around): Engine {
  const { program, folder, interval, args } = own;
  mkdirSync(folder, { recursive: true });
  writeScrapeConfig(own, plan);
  const flags = [
    '-envflag.enable',
    `-httpListenAddr=${storage.host}`,
    `-storageDataPath=${join(folder, 'data')}`,
    `-promscrape.config=${scrapeFile(own)}`,
    // Written anew when the edge's address changes.
    '-promscrape.configCheckInterval=1s',
    `-promscrape.httpSDCheckInterval=${interval}s`,
    // By default people see nothing for half a minute after their first request.
    '-search.latencyOffset=1s',
    // Each query says how long it may take: edge.toml can change that while the engine runs.
    `-search.maxQueryDuration=${longestDelay}ms`,
    '-loggerLevel=ERROR',
    ...ownCapacity(args, plan.gateway.limits.engineConcurrency).flags,
  ];
  const url = new URL('/health', storage);
  return new Engine({ program, args: [...flags, ...args], env: access.env, url, log, ended });
}

/** What the engine scrapes, from now on. */
export function writeScrapeConfig(own: OwnEngine, { metrics, gateway }: ServedPlan): void {
  const edges = [formatAddress(reachable(metrics))];
  const self = formatAddress(reachable(gateway.metrics));
  const { interval } = own;
  const text = scrapeConfig({ engine: 'victoria-metrics', edges, gateway: self, interval, tenants: false });
  replaceFile(scrapeFile(own), text);
}

const scrapeFile = ({ folder }: OwnEngine): string => join(folder, 'scrape.yml');
