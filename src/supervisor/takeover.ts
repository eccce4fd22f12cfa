/** A supervisor begins in the place of another one: with its sockets, its values, and the workers that it drains. */

import { unsupportedChanges } from '../config/changes.ts';
import type { Store } from '../metrics/merge.ts';
import type { CommandSocket } from './commands.ts';
import type { Configuration } from './configuration.ts';
import { changesSince } from './flip.ts';
import type { Hub } from './hub.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { Predecessor } from './predecessor.ts';
import type { ScrapeEndpoint } from './scrape-endpoint.ts';
import { other, type Slots } from './slots.ts';

export interface TakeoverParts {
  hub: Hub;
  store: Store;
  sockets: ListeningSockets;
  slots: Slots;
  scrape: ScrapeEndpoint;
  commands: CommandSocket;
  configuration: Configuration;
}

/** @returns null once a slot serves here and the predecessor knows it, else why it serves on. */
export async function takeOver(
  predecessor: Predecessor,
  { hub, store, sockets, slots, scrape, commands, configuration: { plan } }: TakeoverParts,
): Promise<string | null> {
  const { begin, metrics } = predecessor;
  const refused = unsupportedChanges(begin.plan, plan);
  if (refused.length > 0) return refused.join('\n');
  for (const socket of predecessor.sockets) sockets.adopt(socket);
  const unbound = await sockets.open(plan);
  if (unbound !== null) return unbound;
  const colour = other(begin.colour);
  const takeValues = async () =>
    (await predecessor.takeValues(hub, (values) => store.restore(values.store))) ??
    (await scrape.open(plan, metrics)) ??
    (await commands.listen(true));
  const fault = await slots.serve(colour, plan, takeValues);
  if (fault !== null) return fault;
  slots.series[colour].flipped('served');
  sockets.retain(plan);
  predecessor.serving(await changesSince(begin, begin.plan, slots.serving!, plan));
  return null;
}
