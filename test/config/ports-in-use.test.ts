import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatFault } from '../../src/config/fault.ts';
import { portsInUse } from '../../src/config/ports-in-use.ts';
import { planFor } from '../../src/config/quick.ts';
import { configuration, load, unmark } from './folder.ts';

let taken: Server;
let port: number;
/** A port that was free a moment ago. */
let free: number;

beforeEach(async () => {
  taken = createServer().listen(0, '127.0.0.1');
  const other = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(taken, 'listening'), once(other, 'listening')]);
  port = (taken.address() as AddressInfo).port;
  free = (other.address() as AddressInfo).port;
  other.close();
  await once(other, 'close');
});

afterEach(() => {
  taken.close();
});

test('a port that another process has is told where fly.toml names it', async () => {
  const { files, marks } = unmark({
    ...configuration({ top: `metrics.listen = "127.0.0.1:${free}"` }),
    'fly.toml': `app = "demo"\n[[services]]\n[[services.ports]]\nport = »${port}`,
  });
  const { plan } = await load(files);
  const [fault, ...more] = await portsInUse(plan!);
  expect(`${fault.line}:${fault.column}`).toBe(marks[0].split(':').slice(1).join(':'));
  expect(fault.message).toBe(
    `127.0.0.1:${port} is in use by another process, pid ${process.pid} (node): end it, or write another port`,
  );
  expect(more).toEqual([]);
});

test('so is the port that series are scraped at', async () => {
  const { files, marks } = unmark({
    ...configuration({ top: `metrics.listen = »"127.0.0.1:${port}"` }),
    'fly.toml': `app = "demo"\n[[services]]\n[[services.ports]]\nport = ${free}`,
  });
  const { plan } = await load(files);
  const faults = await portsInUse(plan!);
  expect(faults.map(({ line, column }) => `edge.toml:${line}:${column}`)).toEqual(marks);
});

test('what was tried is let go, and an edge without file is told of its option', async () => {
  const plan = planFor({ to: '127.0.0.1:1', listen: `127.0.0.1:${free}` });
  if ('message' in plan) throw new Error(plan.message);
  plan.metrics.port = free;
  plan.listeners = [];
  expect(await portsInUse(plan)).toEqual([]);
  expect(await portsInUse(plan)).toEqual([]);
  plan.metrics.port = port;
  expect((await portsInUse(plan)).map(formatFault)).toEqual([
    `--metrics: 127.0.0.1:${port} is in use by another process, pid ${process.pid} (node): end it, or write another port`,
  ]);
});

test('what this edge holds itself is not tried', async () => {
  const plan = planFor({ to: '127.0.0.1:1', listen: `127.0.0.1:${port}` });
  if ('message' in plan) throw new Error(plan.message);
  plan.metrics.port = free;
  expect(await portsInUse(plan)).toHaveLength(1);
  expect(await portsInUse(plan, new Set([`127.0.0.1:${port}`]))).toEqual([]);
});
