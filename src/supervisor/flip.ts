/** A flip: the other slot takes over within this supervisor. */

import { inSlices } from '../base/slices.ts';
import { changesInSteps, unsupportedChanges } from '../config/changes.ts';
import { formatFault } from '../config/fault.ts';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import type { Restarted } from './commands.ts';
import type { Configuration } from './configuration.ts';
import type { Hub } from './hub.ts';
import { internalFault } from './internal-fault.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { Slot } from './slot.ts';
import { other, type Slots } from './slots.ts';

export interface FlipParts {
  log: Log;
  hub: Pick<Hub, 'limit'>;
  sockets: ListeningSockets;
  slots: Slots;
  configuration: Configuration;
}

/**
 * Brings up the other slot, with the configuration and the code that are on disk now, and drains the one that serves.
 * @param previous that one.
 */
export async function flip(
  previous: Slot,
  file: string | null,
  { log, hub, sockets, slots, configuration }: FlipParts,
): Promise<Restarted> {
  const before = configuration.plan;
  const colour = other(previous.colour);
  const { plan, faults, warnings } = await configuration.load(file);
  for (const warning of warnings) log.warn(formatFault(warning));
  const refused = plan === null ? faults.map(formatFault) : unsupportedChanges(before, plan);
  if (plan === null || refused.length > 0) return slots.failed(colour, 'refused', refused.join('\n'));
  const unbound = await orFault(() => sockets.open(plan));
  if (unbound !== null) {
    sockets.retain(before);
    return slots.failed(colour, 'refused', unbound);
  }
  const fault = await orFault(() => slots.serve(colour, plan));
  if (fault !== null) {
    hub.limit(before);
    sockets.retain(slots.closed ? { ...before, listeners: [] } : before);
    return slots.failed(colour, 'failed', fault);
  }
  configuration.serves(plan);
  configuration.file = file;
  slots.series[colour].flipped('served');
  void slots.drain(previous, true);
  sockets.retain(plan);
  slots.generations.cutOldest(plan.slots.maxDraining);
  return { changes: await changesSince(previous, before, slots.serving!, plan) };
}

/** What a step throws is its fault. */
async function orFault(step: () => Promise<string | null>): Promise<string | null> {
  try {
    return await step();
  } catch (error) {
    return internalFault(error);
  }
}

/** A line for each kind of thing. @param previous what served before. @param serving what serves now. */
export async function changesSince(
  previous: Pick<Slot, 'generation' | 'version'>,
  before: Plan,
  { colour, generation, version }: Slot,
  plan: Plan,
): Promise<string[]> {
  return [
    `slot ${colour}, generation ${generation}, serves; generation ${previous.generation} drains`,
    `version: ${version}${previous.version === version ? '' : `; it was ${previous.version}`}`,
    ...(await inSlices(changesInSteps(before, plan))),
  ];
}
