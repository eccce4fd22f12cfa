import type { Tally } from '../tally.ts';

export interface Scenario {
  name: string;
  /** Requests at scale 1. */
  requests: number;
  secure: boolean;
  /** The status that each request must get. */
  status: number;
  /** Further statuses, and how many of each were asked for. */
  also?: Map<string, number>;
  /** The code that the edge books for each request; null when it is none of its errors. */
  code: string | null;
  /** Sends exactly `requests` requests to `port` on loopback. */
  run(port: number, requests: number): Promise<Tally>;
}

/** App names, which are their hostnames with `.test`. */
export type App = 'pooled' | 'direct' | 'slow' | 'dead';
