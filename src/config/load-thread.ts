/** Entry of the thread in which a large configuration is read. */

import { parentPort, workerData } from 'node:worker_threads';
import { workerProtocol } from '../base/protocol.ts';
import { loadPlan } from './load.ts';
import type { Apart } from './load-apart.ts';
import { pack } from './packed-plan.ts';

const { plan, ...findings } = await loadPlan(workerData as string);
parentPort!.postMessage({ ...findings, protocol: workerProtocol, plan: plan && pack(plan) } satisfies Apart);
