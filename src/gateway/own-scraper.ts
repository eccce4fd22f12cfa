/** vmagent, started beside the engine: it scrapes on while the engine is away, and keeps what can't be delivered. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress } from '../config/address.ts';
import { Daemon, type DaemonOptions } from './daemon.ts';
import { writePath } from './write-relay.ts';

export interface OwnScraper {
  /** vmagent. */
  program: string;
  /** Ports of loopback: where it listens, and where the gateway takes what it writes. */
  port: number;
  relayPort: number;
}

export interface ScraperOptions extends Pick<DaemonOptions, 'env' | 'log' | 'ended'> {
  own: OwnScraper;
  /** For its queue. */
  folder: string;
  /** Further flags; they win over ours. */
  args: string[];
}

/** All of what it listens on and writes to. */
export const loopback = '127.0.0.1';
/** What can't be delivered may take so much of the disk, which is hours of a busy edge's samples; the oldest goes beyond it. */
const mostQueued = '1GiB';

export function makeScraper({ own, folder, args, ...daemon }: ScraperOptions): Daemon {
  const { program, port, relayPort } = own;
  const queue = join(folder, 'vmagent');
  mkdirSync(queue, { recursive: true, mode: 0o700 });
  const flags = [
    '-envflag.enable',
    `-httpListenAddr=${formatAddress({ host: loopback, port })}`,
    `-remoteWrite.url=http://${formatAddress({ host: loopback, port: relayPort })}${writePath}`,
    `-remoteWrite.tmpDataPath=${queue}`,
    `-remoteWrite.maxDiskUsagePerURL=${mostQueued}`,
    '-loggerLevel=ERROR',
  ];
  const url = new URL(`http://${formatAddress({ host: loopback, port })}/health`);
  return new Daemon({ ...daemon, name: 'scraper', program, args: [...flags, ...args], url });
}
