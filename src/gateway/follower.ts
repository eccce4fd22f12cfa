/** Has a running gateway follow edge.toml as it is saved. */

import { Turns } from '../base/turns.ts';
import { formatFault } from '../config/fault.ts';
import { servedPlan } from '../config/gateway-plan.ts';
import { loadPlan } from '../config/load.ts';
import type { Log } from '../log/log.ts';
import { versionOf } from '../tokens/files.ts';
import type { RunningGateway } from './start.ts';

export interface FollowerOptions {
  /** Path of edge.toml. */
  config: string;
  gateway: Pick<RunningGateway, 'follow'>;
  log: Log;
}

/** The file is looked at rather than watched: that also works where it is mounted, or a link to it is changed. */
const lookInterval = 1_000;
/** What is at fault may be mended in another file, such as a fly.toml: until then it is read again so often. */
const retryInterval = 10_000;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #turns = new Turns();
  readonly #timer: NodeJS.Timeout;
  /** The file's version at the last look, and when it was read; it may have changed since the gateway read it. */
  #seen = '';
  #read = '';
  #readAt = 0;
  /** Why the gateway does not follow, as it was told; empty when it does. */
  #told = '';

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), lookInterval);
  }

  /** Reads the file now, whether it has changed or not, and tells again what is at fault. */
  reload(): Promise<void> {
    return this.#take(true);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** A file that changes between two looks is still being written. */
  #look(): void {
    const version = versionOf(this.#options.config);
    const settled = version === this.#seen;
    this.#seen = version;
    const retry = this.#told !== '' && performance.now() - this.#readAt > retryInterval;
    if (settled && (version !== this.#read || retry)) void this.#take(false);
  }

  /** @param asked whether somebody waits to hear of it. */
  #take(asked: boolean): Promise<void> {
    return this.#turns.take(asked ? 'asked' : 'seen', async () => {
      const { config, log } = this.#options;
      if (asked) this.#told = '';
      this.#read = versionOf(config);
      this.#readAt = performance.now();
      const result = await this.#follow();
      const told = 'fault' in result ? result.fault : '';
      if ('changes' in result && result.changes.length > 0)
        log.info({ changes: result.changes }, 'edge.toml was taken');
      if (told !== this.#told && told !== '')
        for (const reason of told.split('\n')) log.error({ reason }, 'edge.toml was not taken: it goes on as before');
      this.#told = told;
    });
  }

  async #follow(): Promise<{ changes: string[] } | { fault: string }> {
    const { config, gateway } = this.#options;
    const { plan, faults } = await loadPlan(config);
    if (plan === null) return { fault: faults.map(formatFault).join('\n') };
    const served = servedPlan(plan);
    return typeof served === 'string' ? { fault: `${config}: ${served}` } : gateway.follow(served);
  }
}
