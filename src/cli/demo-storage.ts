/** The storage tier of the demo: victoria-metrics and the query API, when it is installed. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress } from '../config/address.ts';
import type { GatewayPlan, Plan } from '../config/plan.ts';
import { eventLog } from '../log/log.ts';
import { action, organization, validityWindow } from '../tokens/caveats.ts';
import { formatToken } from '../tokens/header.ts';
import { Keys } from '../tokens/keys.ts';
import { attenuate, mint } from '../tokens/macaroon.ts';
import { complain } from './exit.ts';
import { freePort } from './free-port.ts';
import { scraperBeside } from './scraper-beside.ts';
import { installedEngine, installedScraper } from './storage-programs.ts';

export interface DemoStorage {
  /** URL of the organization's queries, without the last part. */
  api: string;
  authorization: string;
  stop(): Promise<void>;
}

export const howToGetStorage = `To query the series too, install VictoriaMetrics: apt-get install victoria-metrics, or brew install victoriametrics.
`;

/** Seconds: nobody waits 15 for the first look at a number. */
const scrapeInterval = 1;
/** Seconds. */
const tokenLife = 86_400;

/** On the next free ports of the plan's; null when it is not installed or does not start. */
export async function startStorage(plan: Plan): Promise<DemoStorage | null> {
  const program = installedEngine();
  const [owner] = plan.organizations;
  if (program === null || !plan.gateway || owner === undefined) return null;
  const gateway = await onFreePorts(plan.gateway);
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-demo-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const scraper = await scraperBeside(installedScraper(program), gateway.storage);
  const { startGateway } = await import('../gateway/start.ts');
  const running = await startGateway({
    plan: { ...plan, gateway },
    log: eventLog({ process: 'gateway' }),
    tier: { program, scraper, folder, interval: scrapeInterval, args: [] },
  });
  if ('fault' in running) {
    complain(running.fault);
    remove();
    return null;
  }
  return {
    api: `http://${formatAddress(gateway)}/prometheus/${owner.slug}/api/v1`,
    authorization: `FlyV1 ${readOnly(gateway, owner.id)}`,
    async stop() {
      await running.stop();
      remove();
    },
  };
}

async function onFreePorts(gateway: GatewayPlan): Promise<GatewayPlan> {
  const { host, port, metrics } = gateway;
  const storage = new URL(gateway.storage);
  storage.port = String(await freePort(storage.hostname, Number(storage.port)));
  const own = await freePort(host, port);
  return {
    ...gateway,
    port: own,
    storage: storage.href,
    metrics: { ...metrics, port: await freePort(metrics.host, own === metrics.port ? own + 1 : metrics.port) },
  };
}

function readOnly({ keys, location }: GatewayPlan, org: number): string {
  const { id, key } = new Keys(keys).newest;
  const now = Math.floor(Date.now() / 1000);
  const caveats = [organization(org, action.read), validityWindow(now, now + tokenLife)];
  return formatToken(attenuate(mint(id, key, location), ...caveats));
}
