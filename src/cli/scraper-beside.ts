import type { OwnScraper } from '../gateway/own-scraper.ts';
import { freePort } from './free-port.ts';

const loopback = '127.0.0.1';

/**
 * With the ports that come next after the engine's: they stay the same from one start to the next, and so does the name of
 * its queue, where something may wait from before.
 * @param program vmagent; null: none.
 */
export async function scraperBeside(program: string | null, storage: string): Promise<OwnScraper | null> {
  if (program === null) return null;
  const port = await freePort(loopback, Number(new URL(storage).port) + 1);
  return { program, port, relayPort: await freePort(loopback, port + 1) };
}
