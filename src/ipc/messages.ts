/** What supervisor and workers say to each other over the IPC channel (structured clone). */

import type { Colour, Counts } from '../base/counts.ts';
import type { PackedPlan } from '../config/packed-plan.ts';

/** out: gets nothing. trial: one request at a time. in: like any. */
export type Ejection = 'in' | 'out' | 'trial';
/** See outliers.ts; the address tells whether another plan means the same instance. */
export type Ejections = [key: string, address: string, state: Ejection][];

export type ToWorker =
  | {
      type: 'start';
      /** `workerProtocol` of the supervisor, see `src/base/protocol.ts`. */
      protocol: number;
      plan: PackedPlan;
      colour: Colour;
      generation: number;
      index: number;
      /** The one for new tickets first. */
      ticketKeys: Uint8Array[];
      /** What the slot knows already, for a worker that replaces another; null: find out before saying ready. */
      health: [key: string, healthy: boolean][] | null;
      /** Upstreams that are not `in`; absent from a supervisor that knows of none. */
      ejected?: Ejections;
    }
  /** With the bound TCP handle of that listener attached. */
  | { type: 'listen'; key: string }
  /** All listeners were sent: accept. */
  | { type: 'accept' }
  /** Answer with counts, whatever has changed. */
  | { type: 'flush'; id: number }
  /** The counts before are added up: send the next. */
  | { type: 'more' }
  /** Health of upstreams, by key. */
  | { type: 'health'; upstreams: [key: string, healthy: boolean][] }
  /** More permits below a hard limit. */
  | { type: 'grant'; key: string; permits: number }
  /** Another worker waits: give back what is not in use, and until `owed` have come back what comes free. */
  | { type: 'recall'; key: string; owed: number }
  /** In flight at all other workers together, as last reported. */
  | { type: 'others'; upstreams: [key: string, inFlight: number][] }
  | { type: 'ejected'; upstreams: Ejections }
  | { type: 'ticketKeys'; ticketKeys: Uint8Array[] }
  /** The log file was moved. */
  | { type: 'reopenLogs' }
  /** `handover`: another slot accepts already; false: the edge ends. */
  | { type: 'drain'; timeout: number; websocketTimeout: number; handover: boolean };

export type FromWorker =
  /** Checks have had their first results: may accept. */
  | { type: 'ready' }
  | { type: 'failed'; reason: string }
  /** Accepts on all listeners now. */
  | { type: 'accepting' }
  /**
   * `flush`: the id asked for, or 0 for the periodic one. `counts`: null when nothing changed.
   * `inFlight`: those that changed since the last one. `connections`: of clients, open now.
   * `more`: there are new series yet, which come when they are asked for; a flush is answered by the last of them.
   */
  | {
      type: 'counts';
      flush: number;
      counts: Counts | null;
      inFlight: [key: string, inFlight: number][];
      connections: number;
      more?: boolean;
    }
  /** Worker 0 runs the checks of its slot and reports changes. */
  | { type: 'health'; upstreams: [key: string, healthy: boolean][] }
  /** Failures in a row at an upstream, as this worker saw them; 0: one went well after some. */
  | { type: 'outcome'; key: string; address: string; failures: number }
  | { type: 'lease'; key: string; want: number }
  | { type: 'release'; key: string; permits: number }
  /** The last connection has closed: about to exit. */
  | { type: 'drained'; cut: number };
