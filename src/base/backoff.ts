/** Pauses before a crashed worker is started again: none the first time, then doubling while it keeps crashing. */

const firstPause = 100;
const longestPause = 30_000;
/** A worker that lived this long did not crash in a loop. */
const healthyLife = 30_000;

export class Backoff {
  #pause = 0;

  /**
   * @param lived how long the process ran, in ms.
   * @returns the pause before the next start, in ms.
   */
  next(lived: number): number {
    if (lived >= healthyLife) this.#pause = 0;
    const pause = this.#pause;
    this.#pause = Math.min(longestPause, pause === 0 ? firstPause : pause * 2);
    return pause;
  }
}
