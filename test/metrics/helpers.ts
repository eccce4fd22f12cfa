import { ownersIn, render } from '../../src/metrics/exposition.ts';
import { Store } from '../../src/metrics/merge.ts';
import { Recorder } from '../../src/metrics/recorder.ts';
import { type Page, parseExposition } from '../helpers/exposition.ts';

export const bounds = [0.001, 0.01, 0.1, 1];
export const machine = { region: 'iad', host: '2bc3' };
export const minute = 60_000;

/** A store whose clock stands until it is moved. */
export function storeAt(start = 1_000): { store: Store; wait: (ms: number) => void } {
  let now = start;
  const store = new Store({ machine, bounds, clock: () => now });
  return { store, wait: (ms) => void (now += ms) };
}

export const pageText = (store: Store, apps?: ReadonlySet<string>, unowned = false): string =>
  [...render(store, apps && ownersIn(store, { apps, unowned }))].join('');
export const pageOf = (store: Store, apps?: ReadonlySet<string>): Page => parseExposition(pageText(store, apps));

/** A worker as the supervisor sees it: what its recorder counts reaches the store with `ship`. */
export function workerOf(store: Store, id: number, colour: 'blue' | 'green', generation = 1) {
  store.attach({ id, colour, generation });
  const recorder = new Recorder(bounds);
  const ship = () => {
    const counts = recorder.collect();
    return counts && store.apply(id, structuredClone(counts));
  };
  return { id, colour, recorder, ship };
}
