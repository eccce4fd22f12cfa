/** The moment between scenarios: nothing open, nothing in flight, everything counted. */

import { setTimeout as delay } from 'node:timers/promises';
import { type Page, sum } from '../test/helpers/exposition.ts';
import type { Edge } from './edge.ts';
import type { InstanceCounts } from './instance.ts';

export interface State {
  page: Page;
  instances: Map<string, InstanceCounts>;
}

/** How long the edge may take to have closed and counted everything, in milliseconds. */
const settleDeadline = 10_000;

/** Polls until nothing is open or in flight and two readings agree; after the deadline, what was read last. */
export async function settled(edge: Edge): Promise<State> {
  const end = Date.now() + settleDeadline;
  let last = '';
  for (;;) {
    const page = await edge.scrape();
    const instances = new Map<string, InstanceCounts>();
    for (const instance of edge.instances) instances.set(instance.id, await instance.counts());
    const counted = JSON.stringify([[...page], [...instances]]);
    if ((isQuiet(page, instances) && counted === last) || Date.now() > end) return { page, instances };
    last = counted;
    await delay(50);
  }
}

function isQuiet(page: Page, instances: Map<string, InstanceCounts>): boolean {
  const open = (side: string) =>
    sum(page, `fly_${side}_tcp_connects_count`) - sum(page, `fly_${side}_tcp_disconnects_count`);
  const atInstances = [...instances.values()].reduce((total, { opened, closed }) => total + opened - closed, 0);
  return open('edge') === 0 && open('app') === atInstances && sum(page, 'fly_app_concurrency') === 0;
}
