/** A gateway within the test's own process, in front of a storage tier of any kind; no edge. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { freePorts } from '../../load/processes.ts';
import type { ServedPlan } from '../../src/config/gateway-plan.ts';
import { loadPlan } from '../../src/config/load.ts';
import type { QuarantineOptions } from '../../src/gateway/quarantine.ts';
import { type RunningGateway, startGateway } from '../../src/gateway/start.ts';
import { programs } from './storage.ts';
import { createToken } from './tier.ts';

export interface LoneGateway {
  /** Of its listener, and of its own series; without path. */
  url: string;
  own: string;
  running: RunningGateway;
  /** File of the root keys. */
  keys: string;
  /** `FlyV1 fm2_…`, for all organizations. */
  token: string;
  stop(): Promise<void>;
}

interface Options {
  /** URL of the engine. */
  storage: string;
  organizations: readonly string[];
  /** Whether it starts the engine there itself. */
  engine?: boolean;
  /** Whether vmagent scrapes beside it. */
  scraper?: boolean;
  /** Seconds between scrapes. */
  interval?: number;
  /** Where the edge's metrics are; nothing listens there by default. */
  edge?: number;
  /** Further lines of `[gateway]`. */
  keys?: string;
  quarantine?: QuarantineOptions | undefined;
  /** Gets what is logged; without it, nothing is. */
  lines?: string[];
}

/** What stands in the environment of the engine that it started; `{}` when it started none. */
export function engineEnvironment({ enginePid }: RunningGateway): Record<string, string> {
  if (enginePid === undefined) return {};
  const lines = readFileSync(`/proc/${enginePid}/environ`, 'latin1').split('\0').slice(0, -1);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

export async function startLoneGateway(options: Options): Promise<LoneGateway> {
  const {
    storage,
    organizations,
    engine = false,
    scraper = false,
    interval = 15,
    keys = '',
    quarantine,
    lines,
  } = options;
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-gateway-'));
  const [listen, metrics, nowhere, port, relayPort] = (await freePorts(5)) as [number, ...number[]] & number[];
  const edge = options.edge ?? nowhere;
  const file = join(folder, 'edge.toml');
  writeFileSync(
    file,
    `region = "lab"
host = "2bc3"
[metrics]
listen = "127.0.0.1:${edge}"
${organizations.map((slug, i) => `[[organizations]]\nslug = "${slug}"\nid = ${i + 1}\n`).join('')}[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${metrics}"
storage = "${storage}"
${keys}`,
  );
  const { plan } = await loadPlan(file);
  const running = await startGateway({
    plan: plan as ServedPlan,
    log: pino({ base: null, enabled: lines !== undefined }, { write: (line: string) => void lines?.push(line) }),
    tier: engine
      ? {
          program: programs.victoriaMetrics,
          folder: join(folder, 'engine'),
          interval,
          scraper: scraper ? { program: programs.vmagent, port: port!, relayPort: relayPort! } : null,
          args: ['-search.latencyOffset=1ms', '-memory.allowedBytes=64MB'],
        }
      : null,
    ...(quarantine && { quarantine }),
  });
  if ('fault' in running) throw new Error(running.fault);
  return {
    url: `http://127.0.0.1:${listen}`,
    own: `http://127.0.0.1:${metrics}`,
    running,
    keys: plan!.gateway!.keys,
    token: createToken(file, 'full'),
    async stop() {
      await running.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
