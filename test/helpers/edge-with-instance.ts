/** What many files of tests begin with: an edge before one instance, whose every byte is the test's. */

import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Edge, type EdgeOptions } from './edge.ts';
import { RawInstance } from './instances.ts';

/**
 * Both live as long as the file's tests. Each test begins when no client of the one before is left, since the edge would try
 * its request again, or count its end, in the next one; then the instance forgets its connections.
 * @param give gets both before the first test.
 */
export function edgeWithRawInstance(
  options: (instance: RawInstance) => EdgeOptions | Promise<EdgeOptions>,
  give: (made: { edge: Edge; instance: RawInstance }) => void,
): void {
  let made: { edge: Edge; instance: RawInstance };
  beforeAll(async () => {
    const instance = await RawInstance.start();
    made = { edge: await Edge.start(await options(instance)), instance };
    give(made);
  });
  afterAll(async () => {
    await made?.edge.stop();
    await made?.instance.stop();
  });
  beforeEach(async () => {
    await made.edge.quiet();
    await made.instance.forget();
  });
}
