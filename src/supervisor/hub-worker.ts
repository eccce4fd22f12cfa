/** What takes part in the hub: worker processes, here or in another supervisor, and what only counts. */

import type { ToWorker } from '../ipc/messages.ts';
import type { WorkerIdentity } from './worker-process.ts';

/** A worker, wherever it is. */
export interface HubWorker {
  readonly identity: WorkerIdentity;
  send(message: ToWorker): void;
  /** Asks for its counts; settled once they have been passed to `message`, or it is gone. */
  flush(): Promise<void>;
}

/** `index` of what counts without carrying traffic: the supervisor itself, and a generation's limits. */
export const ownIndex = -1;
export const limitsIndex = -2;
