import type { ListeningSocket } from '../base/listening-socket.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import type { Hub } from './hub.ts';
import type { Slot } from './slot.ts';
import type { ExitCause } from './worker-process.ts';

/** What a slot needs from the supervisor around it. */
export interface SlotOwner {
  /** File that a worker runs. */
  readonly workerEntry: string;
  readonly log: Log;
  readonly hub: Hub;
  readonly ticketKeys: Uint8Array[];
  /** Those of the slot's plan. */
  sockets(plan: Plan): ListeningSocket[];
  /** Health of upstreams, as the slot's checks found it. */
  healthFound(slot: Slot, upstreams: Health): void;
  /** A worker is replaced. */
  restarted(slot: Slot, cause: ExitCause): void;
}

/** Whether upstreams are healthy. */
export type Health = [key: string, healthy: boolean][];
