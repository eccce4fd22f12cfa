import { expect, test } from 'vitest';
import { MetricId } from '../../src/metrics/catalogue.ts';
import { render, type ScrapeScope } from '../../src/metrics/exposition.ts';
import { Store } from '../../src/metrics/merge.ts';
import { type Part, partsOf, shareOf } from '../../src/metrics/parts.ts';
import { bounds, machine, minute, pageText, storeAt, workerOf } from './helpers.ts';

const mebibyte = 1024 * 1024;
const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `app-${from + i}`);
const scopeOf = (apps: string[], unowned = false): ScrapeScope => ({ apps: new Set(apps), unowned });

/** What an app has from the start, about, and a status or two. */
function count(
  { recorder }: ReturnType<typeof workerOf>,
  apps: string[],
  statuses = ['200', '404'],
  instances = 4,
): void {
  for (const app of apps) {
    for (const status of statuses) {
      recorder.inc(recorder.series(MetricId.edgeHttpResponses, [app, status]));
      recorder.observe(recorder.series(MetricId.edgeHttpResponseTime, [app, status]), 0.01);
      for (let i = 0; i < instances; i++) {
        recorder.inc(recorder.series(MetricId.appHttpResponses, [app, `instance-${i}`, status]));
        recorder.observe(recorder.series(MetricId.appHttpResponseTime, [app, `instance-${i}`, status]), 0.01);
      }
    }
  }
}

const text = (store: Store, { owners }: Part) => [...render(store, owners)].join('');
const lines = (page: string) => page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
/** In which part each app and instance is. */
const where = (parts: Part[]) =>
  new Map(parts.flatMap(({ owners }, i) => owners.map(({ app, instance }) => [`${app} ${instance}`, i] as const)));

test('the parts are the page, each line once, each well below what a scraper takes', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  worker.recorder.inc(worker.recorder.series(MetricId.edgeTcpConnects, ['']));
  count(worker, names(0, 2000));
  worker.ship();
  const scope = scopeOf(names(0, 2000), true);
  const parts = partsOf(store, 'org', scope);
  const pages = parts.map((part) => text(store, part));
  expect(pages.flatMap(lines).toSorted()).toEqual(lines(pageText(store, scope.apps, true)).toSorted());
  expect(parts.length).toBeGreaterThan(5);
  for (const [i, page] of pages.entries()) {
    expect(page.length).toBeLessThan(5 * mebibyte);
    // What it is thought to be is what it is, nearly.
    if (parts[i]!.bytes > 0) expect(page.length / parts[i]!.bytes).toBeCloseTo(1, 0.5);
  }
  expect(text(store, parts[0]!)).toContain('app=""');
});

test('an organization without apps has one part, which is empty', () => {
  const { store } = storeAt();
  expect(partsOf(store, 'org', scopeOf([]))).toEqual([{ owners: [], bytes: 0 }]);
});

test('without organizations the whole page is in parts', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  count(worker, ['', ...names(0, 500)]);
  worker.ship();
  const parts = partsOf(store, '');
  expect(parts.flatMap((part) => lines(text(store, part))).toSorted()).toEqual(lines(pageText(store)).toSorted());
});

test('who is there stays where it is as apps come and go, and who comes finds a part that is listed already', () => {
  const { store, wait } = storeAt();
  const [first, second] = [workerOf(store, 1, 'blue'), workerOf(store, 2, 'green')];
  count(first, names(0, 1000));
  first.ship();
  const before = partsOf(store, 'org', scopeOf(names(0, 1000)));
  const places = where(before);

  // Every third goes, in the end from the store, too; as many come.
  const stay = names(0, 1000).filter((_, i) => i % 3 !== 0);
  const come = names(2000, 2333);
  count(second, [...stay, ...come]);
  second.ship();
  store.detach(1);
  wait(11 * minute);
  store.expire();
  const after = partsOf(store, 'org', scopeOf([...come, ...stay]));
  const now = where(after);
  for (const app of stay) {
    for (const instance of ['null', 'instance-0', 'instance-3']) {
      expect(now.get(`${app} ${instance}`)).toBe(places.get(`${app} ${instance}`));
    }
  }
  expect(after.length).toBeLessThanOrEqual(before.length);
  expect(Math.max(...now.values())).toBeLessThan(before.length);
});

test('one app more never waits for a part that nobody scrapes yet', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  let apps = 0;
  for (let listed = 1; listed < 8; ) {
    count(worker, names(apps, ++apps));
    worker.ship();
    const parts = partsOf(store, 'org', scopeOf(names(0, apps)));
    expect(where(parts).get(`app-${apps - 1} null`)).toBeLessThan(listed);
    listed = parts.length;
  }
});

test('a part that grew too large, for statuses that came up, gives up its last ones alone', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  count(worker, names(0, 600));
  worker.ship();
  const scope = scopeOf(names(0, 600));
  const before = where(partsOf(store, 'org', scope));
  const many = Array.from({ length: 4 }, (_, i) => String(400 + i));
  count(worker, names(0, 600), many);
  worker.ship();
  const parts = partsOf(store, 'org', scope);
  for (const part of parts) expect(text(store, part).length).toBeLessThan(10 * mebibyte);
  const after = where(parts);
  const moved = [...after].filter(([owner, part]) => before.get(owner) !== part);
  expect(moved.length).toBeGreaterThan(0);
  expect(moved.length).toBeLessThan(before.size / 2);
  expect(where(partsOf(store, 'org', scope))).toEqual(after);
});

test('what takes over has everybody where they were', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  count(worker, names(0, 600));
  worker.ship();
  partsOf(store, 'org', scopeOf(names(0, 300)));
  const before = where(partsOf(store, 'org', scopeOf(names(0, 600).toReversed())));
  const other = new Store({ machine, bounds });
  other.restore(structuredClone(store.snapshot()));
  expect(where(partsOf(other, 'org', scopeOf(names(0, 600))))).toEqual(before);
  // From a supervisor that knows no parts.
  const { places: _, ...old } = structuredClone(store.snapshot());
  const third = new Store({ machine, bounds });
  third.restore(old);
  expect(where(partsOf(third, 'org', scopeOf(names(0, 600)))).size).toBe(before.size);
});

test('what else there is of an app goes with it; part 0 has that of apps without series', () => {
  const { store } = storeAt();
  const worker = workerOf(store, 1, 'blue');
  count(worker, names(0, 600));
  worker.ship();
  const scope = scopeOf([...names(0, 600), 'silent'], true);
  const parts = partsOf(store, 'org', scope);
  const shares = parts.map((_, i) => shareOf(parts, i, scope));
  for (const app of scope.apps) {
    const having = shares.flatMap(({ apps }, i) => (apps.has(app) ? [i] : []));
    expect(having).toEqual([app === 'silent' ? 0 : where(parts).get(`${app} null`)]);
  }
  for (const { apps } of shares) expect(apps.has('of another organization')).toBe(false);
  expect(shares.map(({ unowned }) => unowned)).toEqual(parts.map((_, i) => i === 0));
  expect(shareOf(parts, 0).apps.has('silent')).toBe(true);
});
