/** The supervisor's own series, `fly_slot_*`: recorded and merged like a worker's, one recorder for each colour. */

import { M } from '../metrics/catalogue.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Colour, Counts } from './messages.ts';
import { slotStates } from './slot.ts';
import type { SlotStatus } from './status.ts';
import type { ExitCause } from './worker-process.ts';

/**
 * served   the new slot took over
 * refused  nothing was started: a fault in the configuration, a port in use
 * failed   it was started and never became ready
 */
export type FlipResult = 'served' | 'refused' | 'failed';

const flipResults: readonly FlipResult[] = ['served', 'refused', 'failed'];
const causes: readonly ExitCause[] = ['exit', 'signal', 'hang'];
const liveStates = slotStates.filter((state) => state !== 'ended');

/** Of one colour. */
export class SlotSeries {
  readonly colour: Colour;
  readonly #recorder: Recorder;
  readonly #versions = new Set<string>();

  constructor(colour: Colour, bounds: readonly number[]) {
    this.colour = colour;
    this.#recorder = new Recorder(bounds);
    // Born at 0.
    this.#index(M.slotGeneration);
    this.#index(M.slotDrainTime);
    this.#index(M.slotDrainCuts);
    for (const result of flipResults) this.#index(M.slotFlips, result);
    for (const cause of causes) this.#index(M.slotWorkerRestarts, cause);
    for (const state of liveStates) this.#index(M.slotState, state);
  }

  flipped(result: FlipResult): void {
    this.#recorder.inc(this.#index(M.slotFlips, result));
  }

  workerRestarted(cause: ExitCause): void {
    this.#recorder.inc(this.#index(M.slotWorkerRestarts, cause));
  }

  /** @param cut connections at the deadline. */
  drained(milliseconds: number, cut: number): void {
    this.#recorder.observe(this.#index(M.slotDrainTime), milliseconds / 1000);
    this.#recorder.add(this.#index(M.slotDrainCuts), cut);
  }

  started(generation: number): void {
    this.#recorder.set(this.#index(M.slotGeneration), generation);
  }

  /** What has changed since the last call. @param slots of both colours, now. */
  collect(slots: SlotStatus[]): Counts | null {
    const mine = slots.filter(({ colour, state }) => colour === this.colour && state !== 'ended');
    for (const state of liveStates) {
      this.#recorder.set(this.#index(M.slotState, state), mine.filter((slot) => slot.state === state).length);
    }
    const live = new Set(mine.map(({ version }) => version));
    for (const version of live) this.#versions.add(version);
    for (const version of this.#versions) {
      this.#recorder.set(this.#index(M.slotBuildInfo, version), live.has(version) ? 1 : 0);
    }
    return this.#recorder.collect();
  }

  #index(metric: number, ...own: string[]): number {
    return this.#recorder.series(metric, own);
  }
}
