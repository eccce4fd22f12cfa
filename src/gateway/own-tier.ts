/** The storage tier that the gateway starts itself: an engine, and a scraper beside it where there is one. */

import { mkdirSync } from 'node:fs';
import type { ServedPlan } from '../config/gateway-plan.ts';
import type { Log } from '../log/log.ts';
import { listen } from './bind.ts';
import type { EngineAccess } from './engine-access.ts';
import { splitFlags } from './further-flags.ts';
import { makeEngine } from './own-engine.ts';
import { loopback, makeScraper, type OwnScraper } from './own-scraper.ts';
import { scrapeFlags, writeScrapeFile } from './scrape-file.ts';
import { WriteRelay } from './write-relay.ts';

export interface OwnTier {
  /** victoria-metrics. */
  program: string;
  /** Null: the engine scrapes, and misses what there was to scrape while it is away. */
  scraper: OwnScraper | null;
  /** For their data; made when missing. */
  folder: string;
  /** Seconds between scrapes. */
  interval: number;
  /** Further flags of both; they win over ours. */
  args: string[];
}

export interface Around {
  /** Where the engine is to listen. */
  storage: URL;
  access: EngineAccess;
  log: Log;
  /** Called after each end of one of them that nobody asked for. */
  ended: (which: 'engine' | 'scraper') => void;
}

export interface RunningTier {
  readonly enginePid: number | undefined;
  readonly scraperPid: number | undefined;
  /** @returns null once it serves, else why it does not; `stop` it then, too. */
  start(): Promise<string | null>;
  /** Scrapes where this plan says, from now on. */
  follow(plan: ServedPlan): void;
  stop(): Promise<void>;
}

export function makeTier(own: OwnTier, plan: ServedPlan, { storage, access, log, ended }: Around): RunningTier {
  const { program, folder, interval } = own;
  mkdirSync(folder, { recursive: true });
  writeScrapeFile(folder, interval, plan);
  const args = splitFlags(own.args, own.scraper !== null);
  const scraping = scrapeFlags(folder, interval);
  const { env, authorization } = access;
  const relay = own.scraper === null ? null : new WriteRelay({ storage, authorization, log });
  const engine = makeEngine({
    program,
    folder,
    storage,
    args: relay === null ? [...scraping, ...args.engine] : args.engine,
    concurrency: plan.gateway.limits.engineConcurrency,
    env,
    log,
    ended: () => {
      relay?.ended();
      ended('engine');
    },
    back: () => void relay?.back(),
  });
  const scraper =
    own.scraper &&
    makeScraper({
      own: own.scraper,
      folder,
      args: [...scraping, ...args.scraper],
      env,
      log,
      ended: () => ended('scraper'),
    });
  return {
    get enginePid() {
      return engine.pid;
    },
    get scraperPid() {
      return scraper?.pid;
    },
    async start() {
      const fault = await engine.start();
      if (fault !== null || relay === null) return fault;
      const { relayPort: port } = own.scraper!;
      return (await listen(relay.server, { host: loopback, port }, 'for the scraper')) ?? (await scraper!.start());
    },
    follow: (plan) => writeScrapeFile(folder, interval, plan),
    // What the scraper still has goes through the others.
    async stop() {
      await scraper?.stop();
      relay?.close();
      await engine.stop();
    },
  };
}
