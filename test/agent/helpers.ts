import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Collector, type CollectorOptions } from '../../src/agent/collector.ts';
import { defaultOptions } from '../../src/agent/defaults.ts';
import { type Page, parseExposition, select } from '../helpers/exposition.ts';

/** A recorded machine: `proc` and `sys`. */
export const recorded = fileURLToPath(new URL('./fixtures', import.meta.url));

/** A copy of the recorded machine that a test may change; removed with it. */
export function machine(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-agent-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(recorded, folder, { recursive: true });
  return folder;
}

/** Without file systems: a test that is about them brings its own `statfs`. */
export function collectorOf(folder: string, more: Partial<CollectorOptions> = {}): Collector {
  return new Collector({
    ...defaultOptions(() => {}),
    proc: join(folder, 'proc'),
    sys: join(folder, 'sys'),
    statfs: async () => ({ type: 0n, bsize: 0n, frsize: 0n, blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n }),
    ...more,
  });
}

/** Errors by source, without those that have none. */
export const errors = (page: Page): Record<string, number> =>
  Object.fromEntries(
    select(page, 'fly_instance_agent_error_count')
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [labels.source!, value]),
  );

export const collect = async (collector: Collector): Promise<Page> => parseExposition(await collector.collect());
