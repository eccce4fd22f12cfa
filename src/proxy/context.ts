import type { Limits } from '../config/plan.ts';
import type { Reporter } from './reporter.ts';
import type { App, Route } from './routing/route.ts';
import type { ConnectionOwner } from './transport/client-connection.ts';
import type { Sweep } from './transport/sweep.ts';

/** What everything on the data path of one worker shares. */
export interface Context extends ConnectionOwner {
  readonly region: string;
  readonly limits: Limits;
  /** The proxies in front of us that are trusted. */
  readonly trusted: { has(address: string): boolean };
  /** Whether their `Fly-Client-IP` is believed. */
  readonly flyClientIp: boolean;
  readonly sweep: Sweep;
  readonly reporter: Reporter;
  /** The generation drains: answers say `Connection: close`. */
  readonly draining: boolean;
  /** It drains because another one takes over; false: because the edge ends. */
  readonly handover: boolean;
  /** The app that has this host name on any port. */
  appOf(host: string): App | undefined;
}

/** One listener's routes by host name. */
export interface Routes {
  find(host: string): Route | undefined;
}
