import { expect, test } from 'vitest';
import type { AppPlan, Plan } from '../../src/config/plan.ts';
import { planFor } from '../../src/config/quick.ts';
import { discover, hostPort } from '../../src/metrics/discovery.ts';

function plan(change: (plan: Plan) => void = () => {}): Plan {
  const plan = planFor({ to: '127.0.0.1:9', app: 'shop' });
  if ('message' in plan) throw new Error(plan.message);
  Object.assign(plan, { region: 'iad', host: '2bc3' });
  change(plan);
  return plan;
}

const app = (more: Partial<AppPlan>): AppPlan => ({
  name: 'shop',
  org: 'alpha',
  hostnames: [],
  services: [],
  instances: [{ id: 'aa01', host: '10.0.0.1', process: null }],
  metrics: [],
  ...more,
});

const whole = () => 1;
const part = (number: number) => ({ part: String(number), __param_part: String(number) });

const endpoint = { port: 9100, path: '/metrics', https: false, processes: [] };

test('without organizations the whole page is one target', () => {
  expect(discover(plan(), 'edge:9091', whole)).toEqual([
    { targets: ['edge:9091'], labels: { __meta_fly_kind: 'edge', ...part(0) } },
  ]);
});

test('each organization has a page of its own, also one without apps', () => {
  const organizations = [
    { slug: 'alpha', id: 7 },
    { slug: 'beta', id: 8 },
  ];
  expect(
    discover(
      plan((p) => Object.assign(p, { organizations })),
      '[::1]:9091',
      whole,
    ),
  ).toEqual([
    {
      targets: ['[::1]:9091'],
      labels: { __meta_fly_kind: 'edge', __meta_fly_tenant: '7', org: 'alpha', __param_org: 'alpha', ...part(0) },
    },
    {
      targets: ['[::1]:9091'],
      labels: { __meta_fly_kind: 'edge', __meta_fly_tenant: '8', org: 'beta', __param_org: 'beta', ...part(0) },
    },
  ]);
});

test('a page in several parts is as many targets, whose `up` a label tells apart', () => {
  const organizations = [
    { slug: 'alpha', id: 7 },
    { slug: 'beta', id: 8 },
  ];
  const found = discover(
    plan((p) => Object.assign(p, { organizations })),
    'edge:9091',
    (org) => (org === 'alpha' ? 1 : 3),
  );
  expect(found.map(({ labels }) => [labels.org, labels.part, labels.__param_part])).toEqual([
    ['alpha', '0', '0'],
    ['beta', '0', '0'],
    ['beta', '1', '1'],
    ['beta', '2', '2'],
  ]);
});

test('an endpoint with a query, and one without its slash, as a scraper has to be told', () => {
  const shop = app({
    metrics: [
      { ...endpoint, path: '/v1/metrics?format=prometheus&x=a%20b' },
      { ...endpoint, path: 'm' },
    ],
  });
  const labels = discover(
    plan((p) => Object.assign(p, { apps: [shop] })),
    'edge:9091',
    whole,
  )
    .slice(1)
    .map((each) => each.labels);
  expect(labels).toMatchObject([
    {
      __metrics_path__: '/v1/metrics',
      __param_format: 'prometheus',
      __param_x: 'a b',
      job: '9100/v1/metrics?format=prometheus&x=a%20b',
    },
    { __metrics_path__: '/m', job: '9100m' },
  ]);
});

test("each instance's endpoints, with our labels", () => {
  const shop = app({
    instances: [
      { id: 'aa01', host: '10.0.0.1', process: null },
      { id: 'aa02', host: 'fd00::2', process: null },
    ],
    metrics: [endpoint, { ...endpoint, port: 9101, path: '/m', https: true }],
  });
  const found = discover(
    plan((p) => Object.assign(p, { apps: [shop], organizations: [{ slug: 'alpha', id: 7 }] })),
    'edge:9091',
    whole,
  ).slice(1);
  expect(found.map(({ targets }) => targets)).toEqual([
    ['10.0.0.1:9100'],
    ['[fd00::2]:9100'],
    ['10.0.0.1:9101'],
    ['[fd00::2]:9101'],
  ]);
  expect(found[3]!.labels).toEqual({
    __meta_fly_kind: 'app',
    __meta_fly_tenant: '7',
    __metrics_path__: '/m',
    __scheme__: 'https',
    job: '9101/m',
    org: 'alpha',
    app: 'shop',
    region: 'iad',
    host: '2bc3',
    instance: 'aa02',
  });
});

test('agents and exporters, each with a job of its own', () => {
  const shop = app({
    instances: [
      {
        id: 'aa01',
        host: '10.0.0.1',
        process: null,
        agent: '10.0.0.1:9100',
        exporters: ['10.0.0.1:9187', '[fd00::2]:9121'],
      },
      { id: 'aa02', host: '10.0.0.2', process: null, agent: null, exporters: [] },
    ],
  });
  const found = discover(
    plan((p) => Object.assign(p, { apps: [shop], organizations: [{ slug: 'alpha', id: 7 }] })),
    'edge:9091',
    whole,
  ).slice(1);
  expect(found.map(({ targets, labels }) => [targets[0], labels.__meta_fly_kind, labels.job])).toEqual([
    ['10.0.0.1:9100', 'agent', 'agent'],
    ['10.0.0.1:9187', 'exporter', 'exporter 9187'],
    ['[fd00::2]:9121', 'exporter', 'exporter 9121'],
  ]);
  const whose = { org: 'alpha', app: 'shop', region: 'iad', host: '2bc3', instance: 'aa01', __meta_fly_tenant: '7' };
  for (const { labels } of found) expect(labels).toMatchObject(whose);
});

test('exporters of one port on several machines stay apart', () => {
  const exporters = ['10.0.0.1:9187', '[fd00::2]:9187', '10.0.0.1:9121'];
  const shop = app({ instances: [{ id: 'aa01', host: '10.0.0.1', process: null, exporters }] });
  const found = discover(
    plan((p) => Object.assign(p, { apps: [shop] })),
    'x:1',
    whole,
  ).slice(1);
  expect(found.map(({ labels }) => labels.job)).toEqual([
    'exporter 10.0.0.1:9187',
    'exporter [fd00::2]:9187',
    'exporter 9121',
  ]);
});

test('an endpoint of some process groups is asked on their instances alone', () => {
  const instances = ['web', 'worker', null].map((process, i) => ({ id: `aa0${i}`, host: '10.0.0.1', process }));
  const found = (processes: string[]) =>
    discover(
      plan((p) => Object.assign(p, { apps: [app({ instances, metrics: [{ ...endpoint, processes }] })] })),
      'x:1',
      whole,
    )
      .slice(1)
      .map(({ labels }) => labels.instance);
  expect(found([])).toEqual(['aa00', 'aa01', 'aa02']);
  expect(found(['worker'])).toEqual(['aa01']);
  expect(found(['web', 'app'])).toEqual(['aa00', 'aa02']);
  expect(found(['other'])).toEqual([]);
});

test.each([
  ['edge:9091', 'edge:9091'],
  ['edge', 'edge:80'],
  ['[::1]:9091', '[::1]:9091'],
  ['127.0.0.1:9091', '127.0.0.1:9091'],
  [undefined, null],
  ['', null],
  ['a b', null],
  ['edge:9091/metrics', null],
  ['edge:99999', null],
  ['"},{"', null],
])('a Host of %s is %s', (header, expected) => {
  expect(hostPort(header)).toBe(expected);
});
