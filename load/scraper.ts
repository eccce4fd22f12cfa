/**
 * A scraper alone, without a storage: it takes what `/sd` lists of an edge, evenly over an interval as scrapers do, again and again.
 *
 *   node load/scraper.ts URL INTERVAL [whole]     INTERVAL in ms; whole: all in one page, as before there were parts
 *
 * It writes a line for each round: targets, bytes as they were unpacked, milliseconds of the slowest.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { TargetGroup } from '../src/metrics/discovery.ts';

const [url, interval, whole] = [process.argv[2]!, Number(process.argv[3]), process.argv[4] === 'whole'];

/** Addresses of the edge's own pages. */
export async function pagesOf(edge: string): Promise<string[]> {
  const groups = (await (await fetch(`${edge}/sd`)).json()) as TargetGroup[];
  return groups
    .filter(({ labels }) => labels.__meta_fly_kind === 'edge')
    .map(({ labels: { __param_org: org, __param_part: part } }) =>
      org === undefined ? `${edge}/metrics?part=${part}` : `${edge}/metrics?org=${org}&part=${part}`,
    );
}

async function take(page: string): Promise<{ bytes: number; took: number }> {
  const begun = performance.now();
  const response = await fetch(page);
  let bytes = 0;
  for await (const chunk of response.body!) bytes += chunk.length;
  if (!response.ok) throw new Error(`${page}: ${response.status}`);
  return { bytes, took: performance.now() - begun };
}

if (import.meta.main) {
  for (;;) {
    const begun = performance.now();
    const pages = whole ? [`${url}/metrics`] : await pagesOf(url);
    let [bytes, slowest] = [0, 0];
    for (const [i, page] of pages.entries()) {
      await delay(Math.max(0, begun + (i * interval) / pages.length - performance.now()));
      const taken = await take(page);
      bytes += taken.bytes;
      slowest = Math.max(slowest, taken.took);
    }
    console.log(JSON.stringify({ targets: pages.length, bytes, slowest: Math.round(slowest) }));
    await delay(Math.max(0, begun + interval - performance.now()));
  }
}
