/** The supervisor's own series, `fly_slot_*`: recorded and merged like a worker's, one recorder for each colour. */

import type { Colour } from '../base/counts.ts';
import { MetricId } from '../metrics/catalogue.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Hub } from './hub.ts';
import { type HubWorker, ownIndex } from './hub-worker.ts';
import { slotStates } from './slot-state.ts';
import type { SlotStatus } from './status.ts';
import type { ExitCause, WorkerIdentity } from './worker-process.ts';

/**
 * served   the new slot took over
 * refused  nothing was started: a fault in the configuration, a port in use
 * failed   it was started and never became ready
 */
export type FlipResult = 'served' | 'refused' | 'failed';

const flipResults: readonly FlipResult[] = ['served', 'refused', 'failed'];
const causes: readonly ExitCause[] = ['exit', 'signal', 'hang'];
const liveStates = slotStates.filter((state) => state !== 'ended');

/** Counts what happens to one colour for the hub, like a worker. */
export class SlotSeries implements HubWorker {
  readonly identity: WorkerIdentity;
  readonly #hub: Hub;
  readonly #slots: () => SlotStatus[];
  #generation: number;
  #over = false;
  readonly #recorder: Recorder;
  readonly #versions = new Set<string>();

  /**
   * @param generation the colour's newest so far.
   * @param slots of both colours, now.
   */
  constructor(colour: Colour, bounds: readonly number[], hub: Hub, generation: number, slots: () => SlotStatus[]) {
    this.identity = { id: hub.nextWorkerId(), colour, generation: 0, index: ownIndex };
    this.#hub = hub;
    this.#slots = slots;
    this.#generation = generation;
    this.#recorder = new Recorder(bounds);
    // Born at 0.
    this.#index(MetricId.slotGeneration);
    this.#index(MetricId.slotDrainTime);
    this.#index(MetricId.slotDrainCuts);
    for (const result of flipResults) this.#index(MetricId.slotFlips, result);
    for (const cause of causes) this.#index(MetricId.slotWorkerRestarts, cause);
    for (const state of liveStates) this.#index(MetricId.slotState, state);
  }

  flipped(result: FlipResult): void {
    this.#recorder.inc(this.#index(MetricId.slotFlips, result));
  }

  workerRestarted(cause: ExitCause): void {
    this.#recorder.inc(this.#index(MetricId.slotWorkerRestarts, cause));
  }

  /** @param cut connections at the deadline. */
  drained(milliseconds: number, cut: number): void {
    this.#recorder.observe(this.#index(MetricId.slotDrainTime), milliseconds / 1000);
    this.#recorder.add(this.#index(MetricId.slotDrainCuts), cut);
  }

  started(generation: number): void {
    this.#generation = generation;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether another supervisor tells the gauges. */
  set over(over: boolean) {
    this.#over = over;
  }

  async flush(): Promise<void> {
    const { colour } = this.identity;
    const slots = this.#over ? [] : this.#slots();
    const mine = slots.filter((slot) => slot.colour === colour && slot.state !== 'ended');
    const gauge = (value: number, metric: number, ...own: string[]) =>
      this.#recorder.set(this.#index(metric, ...own), value);
    gauge(this.#over ? 0 : this.#generation, MetricId.slotGeneration);
    for (const state of liveStates)
      gauge(mine.filter((slot) => slot.state === state).length, MetricId.slotState, state);
    const live = new Set(mine.map(({ version }) => version));
    for (const version of live) this.#versions.add(version);
    for (const version of this.#versions) gauge(live.has(version) ? 1 : 0, MetricId.slotBuildInfo, version);
    const counts = this.#recorder.collect();
    if (counts !== null) this.#hub.message(this, { type: 'counts', flush: 0, counts, inFlight: [], connections: 0 });
  }

  /** Nothing is said to it. */
  send(): void {}

  #index(metric: number, ...own: string[]): number {
    return this.#recorder.series(metric, own);
  }
}
