import { expect, test } from 'vitest';
import { formatFault } from '../../src/config/fault.ts';
import { planFor } from '../../src/config/quick.ts';

test('one http listener in front of one server, for any Host', () => {
  const plan = planFor({ to: '127.0.0.1:3000' });
  expect(plan).toMatchObject({
    region: 'local',
    host: '0000',
    listeners: [{ key: '127.0.0.1:8080', address: '127.0.0.1', port: 8080, wire: 'http', ports: [{ http: true }] }],
    apps: [
      {
        name: 'app',
        hostnames: ['*'],
        services: [
          {
            concurrency: { type: 'requests', hard: null },
            upstreams: [{ key: 'app/0/local', instance: 'local', host: '127.0.0.1', port: 3000 }],
          },
        ],
      },
    ],
    metrics: { host: '127.0.0.1', port: 9091 },
    slots: { control: null },
  });
  expect(structuredClone(plan)).toEqual(plan);
});

test('the options name where to listen and the app', () => {
  const plan = planFor({ to: 'localhost:3000', listen: '[::1]:8081', app: 'shop' });
  expect(plan).toMatchObject({
    listeners: [{ key: '[::1]:8081', address: '::1', port: 8081 }],
    apps: [{ name: 'shop', services: [{ upstreams: [{ key: 'shop/0/local', host: 'localhost' }] }] }],
  });
  expect(planFor({ to: 'a:1', listen: 'localhost:81' })).toMatchObject({ listeners: [{ key: '127.0.0.1:81' }] });
});

test.each([
  [{ to: '3000' }, '--to: "3000": write host:port, such as 127.0.0.1:3000'],
  [{ to: 'http://127.0.0.1:3000' }, '--to: "http://127.0.0.1:3000": write host:port'],
  [{ to: 'a:1', listen: 'demo.test:80' }, '--listen: "demo.test:80": write an IP address and a port'],
  [{ to: 'a:1', listen: '0.0.0.0:9091' }, '--listen: "0.0.0.0:9091" is where the series are scraped'],
  [{ to: 'a:1', metrics: '9091' }, '--metrics: "9091": write an IP address and a port, such as "127.0.0.1:9091"'],
  [{ to: 'a:1', listen: '127.0.0.1:81', metrics: '127.0.0.1:81' }, '--listen: "127.0.0.1:81" is where the series'],
  [{ to: 'a:1', app: 'My App' }, '--app: "My App": write 1 to 63 lowercase letters'],
])('%j', (options, says) => {
  const fault = planFor(options);
  expect('message' in fault ? formatFault(fault) : fault).toContain(says);
});
