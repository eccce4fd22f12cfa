import { expect, test } from 'vitest';
import { changes, unsupportedChanges } from '../../src/config/changes.ts';
import type { Plan } from '../../src/config/plan.ts';
import { configuration, type Files, load } from './folder.ts';

async function planOf(files: Files): Promise<Plan> {
  const { plan, faults } = await load(files);
  expect(faults).toEqual([]);
  // Else it tells the temporary folder.
  plan!.slots.control = '/run/edge.sock';
  return plan!;
}

const instance = (id: string, port: number) => `[[apps.instances]]\nid = "${id}"\naddress = "127.0.0.1:${port}"`;
const shop = `[[apps]]\nconfig = "shop.toml"\nhostnames = ["shop.test"]\n${instance('1b', 3001)}`;
const shopFly = 'app = "shop"\n[[services]]\n[[services.ports]]\nport = 8081\nhandlers = ["http"]\n';

test('nothing changed', async () => {
  const plan = await planOf(configuration({}));
  const same = ['apps: 1', 'instances: 1', 'listeners: 1', 'certificates: 0'];
  expect(changes(plan, await planOf(configuration({})))).toEqual(same);
});

test('what was added, removed and changed, by name', async () => {
  const before = await planOf(configuration({ instances: `${instance('1a', 3000)}\n${instance('1c', 3002)}` }));
  const after = await planOf({
    ...configuration({
      app: 'hostnames = ["other.test"]',
      instances: `${instance('1a', 3009)}\n${instance('1d', 3003)}`,
      end: shop,
      top: 'slots.drain_timeout = "1s"',
    }),
    'shop.toml': shopFly,
  });
  expect(changes(before, after)).toEqual([
    'apps: 2; added shop; changed demo',
    'instances: 3; added demo/1d, shop/1b; removed demo/1c; changed demo/1a',
    'listeners: 2; added 127.0.0.1:8081',
    'certificates: 0',
    'settings: changed slots',
  ]);
  expect(changes(after, before)[0]).toBe('apps: 1; removed shop; changed demo');
});

test('an app before it in the file changes no app, and no listener of it', async () => {
  const first = { ...configuration({ end: shop }), 'shop.toml': shopFly };
  const demo = configuration({})['edge.toml']!.split('[[apps]]');
  const swapped = `${demo[0]}${shop}\n[[apps]]${demo[1]}`;
  expect(changes(await planOf(first), await planOf({ ...first, 'edge.toml': swapped }))).toEqual([
    'apps: 2',
    'instances: 2',
    'listeners: 2',
    'certificates: 0',
  ]);
});

test('what a running edge cannot take', async () => {
  const before = await planOf(configuration({}));
  const after = structuredClone(before);
  expect(unsupportedChanges(before, after)).toEqual([]);
  after.host = 'ffff';
  after.metrics.port = 9;
  after.slots.control = '/tmp/other';
  expect(unsupportedChanges(before, after).map((line) => line.split(' ')[0])).toEqual([
    'host',
    'metrics.listen',
    'slots.control',
  ]);
});
