/** How many queries the engine takes at once. One fewer are given to it: its own queue knows no organizations. */

import { availableParallelism } from 'node:os';
import { decimal } from '../base/ascii.ts';
import type { Log } from '../log/log.ts';

/** Where the engine doesn't say: one fewer than victoria-metrics takes on a machine of two cores. */
export const unknownCapacity = 3;

const flag = /^--?search\.maxConcurrentRequests=([0-9]{1,6})$/;

/**
 * @param args of an engine that is started here. @param wanted how many it is to be given; null: as many as are good for the machine.
 * @returns what it takes, and the flag that says so when `args` don't.
 */
export function ownCapacity(args: readonly string[], wanted: number | null): { takes: number; flags: string[] } {
  const given = args.findLast((arg) => flag.test(arg));
  const takes = given === undefined ? -1 : decimal(flag.exec(given)![1]!);
  if (takes > 0) return { takes, flags: [] };
  const chosen = wanted === null ? Math.min(16, Math.max(8, 2 * availableParallelism())) : wanted + 1;
  return { takes: chosen, flags: [`-search.maxConcurrentRequests=${chosen}`] };
}

const askInterval = 30_000;
const askTimeout = 5_000;
/** Its page is some 100 KB. */
const longestPage = 4 * 1024 * 1024;
const series = /^vm_concurrent_select_capacity ([0-9]{1,6})$/m;

/** @returns what the engine at this URL says of itself; null when it says nothing. */
export async function askedCapacity(storage: URL): Promise<number | null> {
  try {
    const url = new URL('/metrics', storage);
    const response = await fetch(url, { signal: AbortSignal.timeout(askTimeout), redirect: 'error' });
    let page = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      page += decoder.decode(chunk, { stream: true });
      if (page.length > longestPage) return null;
    }
    const takes = decimal(series.exec(page)?.[1] ?? '');
    return response.ok && takes > 0 ? takes : null;
  } catch {
    return null;
  }
}

/** Asks now, and again and again: another engine may have taken its place. @returns what ends it. */
export function followCapacity(storage: URL, log: Log, changed: (takes: number) => void): () => void {
  let known: number | null = null;
  const ask = async () => {
    const takes = await askedCapacity(storage);
    if (takes === null || takes === known) return;
    known = takes;
    log.info({ queries: takes }, 'the engine says how many queries it takes at once');
    changed(takes);
  };
  void ask();
  const timer = setInterval(ask, askInterval);
  return () => clearInterval(timer);
}

/** @param takes what the engine takes. @returns how many are given to it. */
export const placesOf = (takes: number): number => Math.max(1, takes - 1);
