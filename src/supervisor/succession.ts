/**
 * What a supervisor and the one that replaces it say to each other over an IPC channel (structured clone), in this order:
 *
 *     new: loaded → old: begin, sockets → new: ready → old: values, then all that its workers tell → new: serving
 *     → old: sharing; it drains, and passes on what its workers and the new supervisor say to each other → old: done
 *
 * Until `serving` the old one leads and goes on alone when anything fails.
 */

import type { Colour } from '../base/counts.ts';
import type { Plan } from '../config/plan.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import type { StoreSnapshot } from '../metrics/merge.ts';
import type { LeaseSnapshot } from './leases.ts';
import type { Ejected } from './outliers.ts';
import type { SlotStatus } from './status.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** Health of upstreams as one slot found it; `address` tells whether another plan means the same instance. */
export type FoundHealth = [key: string, address: string, healthy: boolean][];

export interface SocketName {
  key: string;
  address: string;
  port: number;
}

export interface Begin {
  type: 'begin';
  /** See `src/base/protocol.ts`. */
  protocol: number;
  version: string;
  /** That serves. */
  plan: Plan;
  /** The colour of the slot that serves. */
  colour: Colour;
  generation: number;
  generations: Record<Colour, number>;
  /** The new supervisor's workers have higher numbers than this. */
  lastWorker: number;
  ticketKeys: Uint8Array[];
  ticketKeysSince: number;
  orgOf: [app: string, org: string][];
  /** Each follows as a `socket` message. */
  sockets: SocketName[];
  metrics: SocketName;
}

export interface Values {
  type: 'values';
  store: StoreSnapshot;
  workers: WorkerIdentity[];
  inFlight: [worker: number, upstreams: [key: string, inFlight: number][]][];
  /** Absent from a supervisor that ejects nobody. */
  ejected?: Ejected[];
}

export type ToSuccessor =
  | Begin
  /** With the bound TCP handle attached. */
  | { type: 'socket'; key: string }
  | Values
  | { type: 'joined'; worker: WorkerIdentity }
  | { type: 'message'; worker: number; message: FromWorker }
  | { type: 'left'; worker: number }
  /** The new one owns the hard limits' permits from now on. */
  | { type: 'sharing'; leases: LeaseSnapshot }
  | { type: 'slots'; slots: SlotStatus[] }
  | { type: 'flushed'; id: number }
  | { type: 'done' };

export type ToPredecessor =
  /** Its configuration is good. `timeout`: how long its slot may take. */
  | { type: 'loaded'; timeout: number }
  | { type: 'failed'; reason: string }
  /** Its slot could accept. */
  | { type: 'ready' }
  /** Its slot accepts; scrapes and commands come to it. */
  | { type: 'serving'; pid: number; changes: string[] }
  | { type: 'worker'; worker: number; message: ToWorker }
  | { type: 'health'; found: FoundHealth }
  | { type: 'flush'; id: number }
  /** More generations drain than may: cut what is left of the oldest ones. */
  | { type: 'hurry'; generations: number }
  /** The edge ends: nobody takes over what drains. */
  | { type: 'stop' }
  | { type: 'kill' };
