/** Reads a configuration for a process that others wait for. */

import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { workerProtocol } from '../base/protocol.ts';
import type { Findings } from './fault.ts';
import { type Loaded, loadPlan } from './load.ts';
import { type PackedPlan, unpackInSlices } from './packed-plan.ts';

/** What the thread has found. */
export interface Apart extends Findings {
  /** `workerProtocol` of the code that has read it, see `src/base/protocol.ts`. */
  protocol: number;
  plan: PackedPlan | null;
}

/** Bytes of edge.toml that are read sooner than a thread starts. */
const small = 32 * 1024;
const entry = new URL(`./load-thread${extname(import.meta.url)}`, import.meta.url);

/** A large one is read in a thread: parsing and checking ten thousand instances takes a second. */
export async function loadApart(file: string): Promise<Loaded> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size <= small) return loadPlan(file);
  const found = await inThread(file);
  if (found.protocol !== workerProtocol) {
    const message = 'the version on disk does not work below the supervisor that runs: use fly-edge upgrade';
    return { plan: null, faults: [{ file, line: 1, column: 1, message }], warnings: [] };
  }
  return { ...found, plan: found.plan && (await unpackInSlices(found.plan)) };
}

function inThread(file: string): Promise<Apart> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(entry, { workerData: file, execArgv: [] });
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the thread that reads ${file} ended with code ${code}`)));
  });
}
