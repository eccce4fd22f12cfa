/** Plans between processes and threads: in parts, so that neither writing nor reading one of a large edge holds up a process. */

import { deserialize, serialize } from 'node:v8';
import { Slices } from '../base/slices.ts';
import type { AppPlan, ListenerPlan, Plan } from './plan.ts';

/** As V8 serializes them. */
export interface PackedPlan {
  /** All but the lists. */
  head: Uint8Array;
  /** Parts of lists. */
  listeners: Uint8Array[];
  apps: Uint8Array[];
}

/** Elements of a list in one part; of apps, with their instances. */
const partSize = 250;

/** What was packed once is not packed again: all workers of a slot get the same. */
const known = new WeakMap<readonly unknown[], Uint8Array[]>();

export function pack(plan: Plan): PackedPlan {
  return {
    head: serialize({ ...plan, listeners: [], apps: [] }),
    listeners: partsOf(plan.listeners, () => 1),
    apps: partsOf(plan.apps, ({ instances }) => 1 + instances.length),
  };
}

export function unpack({ head, listeners, apps }: PackedPlan): Plan {
  return { ...deserialize(head), listeners: listeners.flatMap(read<ListenerPlan>), apps: apps.flatMap(read<AppPlan>) };
}

/** The same, and the event loop turns between the parts. */
export async function unpackInSlices({ head, listeners, apps }: PackedPlan): Promise<Plan> {
  const plan: Plan = { ...deserialize(head), listeners: [], apps: [] };
  const slices = new Slices();
  for (const part of listeners) {
    plan.listeners.push(...read<ListenerPlan>(part));
    await slices.next();
  }
  for (const part of apps) {
    plan.apps.push(...read<AppPlan>(part));
    await slices.next();
  }
  known.set(plan.listeners, listeners);
  known.set(plan.apps, apps);
  return plan;
}

function partsOf<T>(list: readonly T[], sizeOf: (element: T) => number): Uint8Array[] {
  const before = known.get(list);
  if (before !== undefined) return before;
  const parts: Uint8Array[] = [];
  let part: T[] = [];
  let size = 0;
  for (const element of list) {
    part.push(element);
    size += sizeOf(element);
    if (size < partSize) continue;
    parts.push(serialize(part));
    part = [];
    size = 0;
  }
  if (part.length > 0) parts.push(serialize(part));
  known.set(list, parts);
  return parts;
}

const read = <T>(part: Uint8Array): T[] => deserialize(part);
