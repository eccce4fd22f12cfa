import type { Colour } from '../base/counts.ts';
import type { SlotState } from './slot-state.ts';
import type { WorkerState } from './worker-process.ts';

/** What `fly-edge status` shows; `--json` prints it as it is. */
export interface Status {
  version: string;
  pid: number;
  /** Seconds. */
  uptime: number;
  state: 'starting' | 'serving' | 'stopping';
  listeners: { key: string; address: string; port: number }[];
  metrics: { address: string; port: number };
  slots: SlotStatus[];
  instances: InstanceStatus[];
}

export interface SlotStatus {
  colour: Colour;
  generation: number;
  /** The version of the code that it runs. */
  version: string;
  state: SlotState;
  /** Open connections of clients, as last reported. */
  connections: number;
  restarts: number;
  workers: { index: number; pid: number; state: WorkerState; connections: number }[];
}

export interface InstanceStatus {
  app: string;
  instance: string;
  address: string;
  /** unknown: it has checks, and none has come to an end. */
  health: 'healthy' | 'unhealthy' | 'unknown';
  /** By what its requests came to; ejected: it gets none, trial: one at a time. */
  passive: 'healthy' | 'ejected' | 'trial';
  /** Seconds until the trial of an ejected one; else 0. */
  ejectedFor: number;
  inFlight: number;
}
