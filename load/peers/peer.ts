/** What the bench needs of a proxy that it measures. */

import type { Certificate } from '../certificate.ts';

export interface Site {
  /** A directory of its own for configuration and state. */
  directory: string;
  /** Loopback ports to listen on, and the instance's. */
  http: number;
  https: number;
  instance: number;
  /** One more free port: the edge's scrape endpoint. */
  extra: number;
  certificate: Certificate;
}

export interface Peer {
  name: string;
  /** Why it cannot run here, or null. */
  missing(): string | null;
  /** Writes what the proxy needs into the site's directory and returns the command that runs it in the foreground. */
  command(site: Site): [program: string, ...args: string[]];
}
