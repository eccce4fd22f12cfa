import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askedCapacity, ownCapacity, placesOf } from '../../src/gateway/capacity.ts';
import { installed, Storage } from '../helpers/storage.ts';

test.each([
  [['-search.maxConcurrentRequests=12'], 12],
  [['--search.maxConcurrentRequests=12', '-x=1'], 12],
  [['-search.maxConcurrentRequests=12', '-search.maxConcurrentRequests=5'], 5],
])('of flags that say it, the last holds: %j', (args, takes) => {
  expect(ownCapacity(args, null)).toEqual({ takes, flags: [] });
  expect(ownCapacity(args, 3)).toEqual({ takes, flags: [] });
});

test('an engine of our own is told how many it takes: more than it is given', () => {
  for (const args of [[], ['-search.maxConcurrentRequests=0'], ['-search.maxConcurrentRequests=x']]) {
    const { takes, flags } = ownCapacity(args, null);
    expect(takes).toBeGreaterThanOrEqual(8);
    expect(flags).toEqual([`-search.maxConcurrentRequests=${takes}`]);
    expect(placesOf(takes)).toBe(takes - 1);
  }
  expect(ownCapacity([], 30).takes).toBe(31);
  expect(placesOf(1)).toBe(1);
});

async function engine(handler: RequestListener): Promise<URL> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/select/0/prometheus`);
}

test.each([
  ['vm_concurrent_select_capacity 16\n', 16],
  ['# HELP x\nvm_concurrent_select_capacity 4', 4],
  ['vm_concurrent_select_capacity 0\n', null],
  ['vm_concurrent_select_capacity 0x10\n', null],
  ['vm_concurrent_select_capacity \xa04\n', null],
  ['vm_concurrent_insert_capacity 8\n', null],
  ['', null],
])('a page with %j says %s', async (page, expected) => {
  const asked: string[] = [];
  const url = await engine((request, response) => {
    asked.push(request.url!);
    response.end(page);
  });
  expect(await askedCapacity(url)).toBe(expected);
  expect(asked).toEqual(['/metrics']);
});

test('what is no page says nothing', async () => {
  expect(
    await askedCapacity(
      await engine((_request, response) => response.writeHead(401).end('vm_concurrent_select_capacity 4')),
    ),
  ).toBeNull();
  expect(
    await askedCapacity(
      await engine((_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()),
    ),
  ).toBeNull();
  expect(await askedCapacity(await engine((request) => request.socket.destroy()))).toBeNull();
  expect(
    await askedCapacity(
      await engine((_request, response) => response.end(`${'x'.repeat(5_000_000)}\nvm_concurrent_select_capacity 4`)),
    ),
  ).toBeNull();
});

test.skipIf(!installed('victoriaMetrics'))('victoria-metrics says what it was started with', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-capacity-'));
  const storage = await Storage.victoriaMetrics(folder, '-search.maxConcurrentRequests=6');
  onTestFinished(async () => {
    await storage.stop();
    rmSync(folder, { recursive: true });
  });
  expect(await askedCapacity(new URL(storage.url))).toBe(6);
});
