/** victoria-metrics, started here. It scrapes the edge itself where no scraper runs beside it. */

import { join } from 'node:path';
import { longestDelay } from '../config/duration.ts';
import { ownCapacity } from './capacity.ts';
import { Daemon, type DaemonOptions } from './daemon.ts';

export interface EngineOptions extends Pick<DaemonOptions, 'program' | 'env' | 'log' | 'ended' | 'back'> {
  /** For its data. */
  folder: string;
  /** Where it is to listen. */
  storage: URL;
  /** Further flags; they win over ours. */
  args: string[];
  /** How many queries it is to be given at once; null: as many as are good for the machine. */
  concurrency: number | null;
}

export function makeEngine({ folder, storage, args, concurrency, ...daemon }: EngineOptions): Daemon {
  const flags = [
    '-envflag.enable',
    `-httpListenAddr=${storage.host}`,
    `-storageDataPath=${join(folder, 'data')}`,
    // By default people see nothing for half a minute after their first request.
    '-search.latencyOffset=1s',
    // Each query says how long it may take: edge.toml can change that while the engine runs.
    `-search.maxQueryDuration=${longestDelay}ms`,
    // A sample that was told again after an engine's end counts once.
    '-dedup.minScrapeInterval=1ms',
    '-loggerLevel=ERROR',
    ...ownCapacity(args, concurrency).flags,
  ];
  return new Daemon({ ...daemon, name: 'engine', args: [...flags, ...args], url: new URL('/health', storage) });
}
