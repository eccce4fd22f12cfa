import type { Limits } from '../../config/plan.ts';
import type { ClientConnection } from '../transport/client-connection.ts';
import { sendQueue } from '../transport/send-queue.ts';
import { Pace } from './pace.ts';

/**
 * How a client reads an answer, over the time in which bytes are queued for it here. The kernel takes more in large steps, when a third of its
 * buffer is free (which may be megabytes): when nothing moves, how much of the buffer was acknowledged meanwhile tells whether it reads.
 */
export class ReaderPace {
  readonly #pace = new Pace();
  #queued = false;
  /** What the kernel kept for the client when it was last asked; -1 when it was not. */
  #kept = -1;
  /** The answer to a question about an earlier answer says nothing about this one. */
  #turn = 0;

  begin(): void {
    this.#turn++;
    this.#queued = false;
    this.#kept = -1;
    this.#pace.begin();
  }

  end(): void {
    this.#turn++;
  }

  /** Once a second. @param tooSlow called now or later, not after `end`. */
  sampled(connection: ClientConnection, rate: number, limits: Limits, tooSlow: () => void): void {
    const pace = this.#pace;
    const { bytesOut } = connection.tcp;
    const queued = connection.unsent;
    if (!queued || !this.#queued) {
      // What the kernel's buffer took at first, nobody has read yet.
      this.#queued = queued;
      pace.pass(bytesOut);
      return;
    }
    pace.look(bytesOut, true, rate, limits.bodyIdleTimeout);
    if (!pace.isBehind(rate)) {
      this.#kept = -1;
      return;
    }
    const { handle } = connection.tcp;
    if (handle === null || (this.#kept >= 0 && pace.waited < limits.leastRateAfter)) return;
    const turn = this.#turn;
    sendQueue(handle.fd, (bytes) => {
      if (turn !== this.#turn) return;
      const before = this.#kept;
      this.#kept = bytes;
      if (before < 0 || bytes < 0) return;
      pace.add(before - bytes, rate, limits.bodyIdleTimeout);
      if (pace.waited >= limits.leastRateAfter && pace.isBehind(rate)) tooSlow();
    });
  }
}
