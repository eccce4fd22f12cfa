import type { ListeningSocket } from '../base/listening-socket.ts';
import { understood } from '../base/protocol.ts';
import type { TcpHandle } from '../base/tcp-handle.ts';
import type { ToWorker } from '../ipc/messages.ts';
import type { Hub } from './hub.ts';
import type { HubWorker } from './hub-worker.ts';
import type { SlotStatus } from './status.ts';
import type { Begin, FoundHealth, SocketName, ToPredecessor, ToSuccessor, Values } from './succession.ts';
import type { WorkerIdentity } from './worker-process.ts';

const gone = 'the supervisor that was to be replaced is gone';

/** The supervisor that this one replaces, as this one sees it: at the other end of this process's IPC channel. */
export class Predecessor {
  readonly begin: Begin;
  readonly sockets: ListeningSocket[];
  readonly metrics: ListeningSocket;
  /** Settled when it is gone. */
  readonly ended: Promise<void>;
  /** Those that drain there, as last told. */
  slots: SlotStatus[] = [];
  readonly #workers = new Map<number, RemoteWorker>();
  readonly #flushes = new Map<number, () => void>();
  #lastFlush = 0;
  #flushing: Promise<void> | null = null;

  /** Waits for what it gives. @param timeout how long this one's slot may take. @returns why it cannot be replaced. */
  static async meet(timeout: number): Promise<Predecessor | string> {
    const handles = new Map<string, TcpHandle>();
    const { promise, resolve } = Promise.withResolvers<Begin | null>();
    let begin: Begin | null = null;
    const receive = (message: ToSuccessor, handle: unknown) => {
      if (message.type === 'begin') begin = message;
      if (message.type === 'socket') handles.set(message.key, handle as TcpHandle);
      if (begin !== null && handles.size === begin.sockets.length + 1) resolve(begin);
    };
    process.on('message', receive);
    process.once('disconnect', () => resolve(null));
    tell({ type: 'loaded', timeout });
    const begun = await promise;
    process.off('message', receive);
    if (begun === null) return gone;
    if (!understood.includes(begun.protocol))
      return 'the version on disk cannot take over from the one that runs: stop it and run it again';
    return new Predecessor(begun, handles);
  }

  /** Tells why this one cannot replace it. */
  static refuse(reason: string): Promise<void> {
    return new Promise((resolve) => tell({ type: 'failed', reason }, resolve));
  }

  private constructor(begin: Begin, handles: Map<string, TcpHandle>) {
    this.begin = begin;
    const socket = (name: SocketName) => ({ ...name, handle: handles.get(name.key)! });
    this.sockets = begin.sockets.map(socket);
    this.metrics = socket(begin.metrics);
    this.ended = new Promise((resolve) => process.once('disconnect', resolve));
  }

  /**
   * Tells that the slot could accept, and takes the values and the workers that go on counting.
   * @returns null, or why they do not come.
   */
  async takeValues(hub: Hub, restore: (values: Values) => void): Promise<string | null> {
    if (!process.connected) return gone;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    process.on('message', (message: ToSuccessor) => {
      if (message.type === 'values') {
        restore(message);
        hub.outliers.inherit(message.ejected ?? []);
        for (const identity of message.workers) hub.adopt(this.#worker(identity));
        for (const [worker, inFlight] of message.inFlight)
          hub.message(this.#workers.get(worker)!, { type: 'counts', flush: 0, counts: null, inFlight, connections: 0 });
        resolve(null);
      } else this.#receive(message, hub);
    });
    void this.ended.then(() => {
      for (const worker of this.#workers.values()) hub.leave(worker);
      this.#workers.clear();
      hub.shareLeases([]);
      for (const settle of this.#flushes.values()) settle();
      this.slots = [];
      resolve(gone);
    });
    tell({ type: 'ready' });
    return promise;
  }

  serving(changes: string[]): void {
    tell({ type: 'serving', pid: process.pid, changes });
  }

  learn(found: FoundHealth): void {
    tell({ type: 'health', found });
  }

  /** Cuts what is left of the oldest generations. */
  hurry(generations: number): void {
    tell({ type: 'hurry', generations });
  }

  stop(): void {
    tell({ type: 'stop' });
  }

  kill(): void {
    tell({ type: 'kill' });
  }

  /** Has all of its workers report; those that ask within one turn ask once. */
  flush(): Promise<void> {
    if (this.#flushing !== null || !process.connected) return this.#flushing ?? Promise.resolve();
    const id = ++this.#lastFlush;
    this.#flushing = new Promise((resolve) => this.#flushes.set(id, resolve));
    queueMicrotask(() => (this.#flushing = null));
    tell({ type: 'flush', id });
    return this.#flushing;
  }

  #worker(identity: WorkerIdentity): RemoteWorker {
    const worker = new RemoteWorker(identity, this);
    this.#workers.set(identity.id, worker);
    return worker;
  }

  #receive(message: ToSuccessor, hub: Hub): void {
    switch (message.type) {
      case 'joined':
        hub.join(this.#worker(message.worker));
        break;
      case 'message': {
        const worker = this.#workers.get(message.worker);
        if (worker !== undefined) hub.message(worker, message.message);
        break;
      }
      case 'left': {
        const worker = this.#workers.get(message.worker);
        this.#workers.delete(message.worker);
        if (worker !== undefined) hub.leave(worker);
        break;
      }
      case 'sharing':
        hub.shareLeases(message.leases);
        break;
      case 'slots':
        this.slots = message.slots;
        break;
      case 'flushed':
        this.#flushes.get(message.id)?.();
        this.#flushes.delete(message.id);
        break;
      case 'done':
        process.disconnect?.();
        break;
    }
  }
}

/** A worker of the predecessor, or of one before it. */
class RemoteWorker implements HubWorker {
  readonly identity: WorkerIdentity;
  readonly #predecessor: Predecessor;

  constructor(identity: WorkerIdentity, predecessor: Predecessor) {
    this.identity = identity;
    this.#predecessor = predecessor;
  }

  send(message: ToWorker): void {
    tell({ type: 'worker', worker: this.identity.id, message });
  }

  flush(): Promise<void> {
    return this.#predecessor.flush();
  }
}

function tell(message: ToPredecessor, sent: () => void = () => {}): void {
  if (process.connected) process.send!(message, undefined, {}, sent);
  else sent();
}
