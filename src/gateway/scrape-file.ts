/** The scrape configuration of the tier that the gateway starts: a file in its folder. */

import { join } from 'node:path';
import { formatAddress } from '../config/address.ts';
import type { ServedPlan } from '../config/gateway-plan.ts';
import { reachable, scrapeConfig } from '../metrics/scrape-config.ts';
import { replaceFile } from '../tokens/files.ts';

/** @param interval seconds between scrapes. */
export function writeScrapeFile(folder: string, interval: number, { metrics, gateway }: ServedPlan): void {
  const edges = [formatAddress(reachable(metrics))];
  const self = formatAddress(reachable(gateway.metrics));
  const text = scrapeConfig({ engine: 'victoria-metrics', edges, gateway: self, interval, tenants: false });
  replaceFile(scrapeFile(folder), text);
}

/** For whoever scrapes: the engine itself, or the scraper beside it. */
export const scrapeFlags = (folder: string, interval: number): string[] => [
  `-promscrape.config=${scrapeFile(folder)}`,
  // Written anew when the edge's address changes.
  '-promscrape.configCheckInterval=1s',
  `-promscrape.httpSDCheckInterval=${interval}s`,
];

const scrapeFile = (folder: string): string => join(folder, 'scrape.yml');
