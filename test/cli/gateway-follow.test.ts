/** A gateway that runs, and an edge.toml that changes: the real program, in front of an engine that the test plays. */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { get, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { installed, programs } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';
import { config, freePort, instance, type Program, run, start } from './helpers.ts';

interface Running extends Program {
  file: string;
  port: number;
  /** Queries that the engine has and that the test is to answer. */
  held: ServerResponse[];
  /** Writes edge.toml anew. */
  change(from: string | RegExp, to: string): void;
  /** Its status. @param query what the engine holds back when it is `held`. */
  ask(org: string, token: string, query?: string): Promise<number>;
  token(org: string): Promise<string>;
  /** A line of its own series; undefined when it is not there. */
  series(name: string): Promise<string | undefined>;
  /** Lines of its log that have this. */
  logged(text: string): Record<string, unknown>[];
}

const organization = (slug: string, id: number) => `[[organizations]]\nslug = "${slug}"\nid = ${id}\n`;
const personal = organization('personal', 1);
const shop = organization('shop', 2);

/** Serves personal; shop's block is to come after it. */
async function gateway(keys = ''): Promise<Running> {
  const held: ServerResponse[] = [];
  const engine = await instance(async (request, response) => {
    let form = '';
    for await (const chunk of request) form += chunk;
    response.setHeader('Content-Type', 'application/json');
    if (new URLSearchParams(form).get('query') === 'held') held.push(response);
    else response.end('{"status":"success"}');
  });
  const [listen, own] = [await freePort(), await freePort()];
  const { file } = await config(9, {
    edge: `${personal}[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${own}"
storage = "http://127.0.0.1:${engine}"
${keys}`,
  });
  const program = start(['gateway', '--config', file]);
  await until(() => program.stderr.includes('the gateway serves'), 'the gateway serves');
  return Object.assign(program, {
    file,
    port: listen,
    held,
    change(from: string | RegExp, to: string) {
      const before = readFileSync(file, 'utf8');
      const after = before.replace(from, to);
      expect(after).not.toBe(before);
      writeFileSync(file, after);
    },
    async ask(org: string, authorization: string, query = 'up') {
      const asked = new URLSearchParams({ query });
      const url = `http://127.0.0.1:${listen}/prometheus/${org}/api/v1/query?${asked}`;
      const response = await fetch(url, { headers: { authorization } });
      await response.arrayBuffer();
      return response.status;
    },
    async token(org: string) {
      const { stdout, stderr } = await run('tokens', 'create', 'readonly', '-o', org, '--config', file);
      if (stdout === '') throw new Error(stderr);
      return stdout.trim();
    },
    async series(name: string) {
      const page = await (await fetch(`http://127.0.0.1:${own}/metrics`)).text();
      return page.split('\n').find((line) => line.startsWith(`${name} `));
    },
    logged: (text: string) =>
      program.stderr
        .split('\n')
        .slice(0, -1)
        .filter((line) => line.includes(text))
        .map((line) => JSON.parse(line)),
  });
}

test('a new organization may ask once edge.toml is saved, and its series are born at 0', async () => {
  const running = await gateway();
  const first = await running.token('personal');
  expect(await running.ask('personal', first)).toBe(200);
  running.change(personal, personal + shop);
  await until(() => running.logged('organizations: 2; added shop').length === 1, 'it follows');
  expect(await running.series('fly_gateway_requests_count{org="shop",status="200"}')).toMatch(/ 0$/);
  expect(await running.series('fly_gateway_request_time_seconds_count{org="shop"}')).toMatch(/ 0$/);
  expect(await running.ask('shop', await running.token('shop'))).toBe(200);
  expect(await running.ask('personal', first)).toBe(200);
  await until(
    async () => (await running.series('fly_gateway_requests_count{org="personal",status="200"}'))?.endsWith(' 2'),
    'both are counted',
  );
});

test('one that is removed may ask no more; what it asked is answered, and its series go on', async () => {
  const running = await gateway();
  running.change(personal, personal + shop);
  await until(() => running.logged('added shop').length === 1, 'it follows');
  const token = await running.token('shop');
  const asked = running.ask('shop', token, 'held');
  await until(() => running.held.length === 1, 'the engine has it');
  running.change(shop, '');
  await until(() => running.logged('removed shop').length === 1, 'it follows');
  expect(await running.ask('shop', token)).toBe(403);
  running.held[0]!.end('{"status":"success"}');
  expect(await asked).toBe(200);
  for (const status of [200, 403]) {
    const name = `fly_gateway_requests_count{org="shop",status="${status}"}`;
    await until(async () => (await running.series(name))?.endsWith(' 1'), name);
  }
  expect(await running.series('fly_gateway_queries{org="shop"}')).toMatch(/ 0$/);
});

test('no request is lost while organizations come and go', async () => {
  const running = await gateway();
  const token = await running.token('personal');
  const statuses = new Map<number, number>();
  let over = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!over) {
      const status = await running.ask('personal', token);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  for (let i = 0; i < 3; i++) {
    running.change(personal, personal + shop);
    await until(() => running.logged('added shop').length === i + 1, 'it follows');
    running.change(shop, '');
    running.process.kill('SIGHUP');
    await until(() => running.logged('removed shop').length === i + 1, 'it follows');
  }
  over = true;
  await Promise.all(clients);
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(6);
});

test('limits hold from then on, those that run already among them', async () => {
  const running = await gateway('queue = 0\nconcurrency = 2\nrequest_size = 1024\n');
  const token = await running.token('personal');
  const asked = [running.ask('personal', token, 'held'), running.ask('personal', token, 'held')];
  await until(() => running.held.length === 2, 'the engine has them');
  expect(await running.ask('personal', token)).toBe(429);
  running.change('concurrency = 2\nrequest_size = 1024', 'concurrency = 3\nrequest_size = 100000\ntimeout = "200ms"');
  await until(
    () => running.logged('changed gateway.concurrency, gateway.timeout, gateway.request_size').length === 1,
    'it follows',
  );
  // More than Node takes by default, and than the gateway took when it began: from the next connection on.
  const path = `/prometheus/personal/api/v1/query?query=${'a'.repeat(90_000)}`;
  const sent = get({ port: running.port, path, headers: { authorization: token }, agent: false });
  const [answer] = await once(sent, 'response');
  expect(answer.resume().statusCode).toBe(200);
  expect(await running.ask('personal', token, 'held')).toBe(503);
  for (const response of running.held) response.end('{"status":"success"}');
  expect(await Promise.all(asked)).toEqual([200, 200]);
});

test('tokens of other keys and of another location', async () => {
  const running = await gateway();
  const old = await running.token('personal');
  running.change('[gateway]', '[gateway]\nkeys = "run/other.key"\nlocation = "elsewhere"');
  await until(() => running.logged('changed gateway.location, gateway.keys').length === 1, 'it follows');
  expect(await running.ask('personal', old)).toBe(401);
  expect(await running.ask('personal', await running.token('personal'))).toBe(200);
});

test('a broken file changes nothing, and says why, once; what mends it may be another file', async () => {
  const running = await gateway();
  const token = await running.token('personal');
  const fly = join(dirname(running.file), 'fly.toml');
  const good = readFileSync(fly);
  writeFileSync(fly, 'app = ');
  running.change(personal, personal + shop);
  await until(() => running.logged('fly.toml:1:').length > 0, 'the fault is told');
  running.process.kill('SIGHUP');
  await until(() => running.logged('fly.toml:1:').length === 2, 'it is told again to who asks');
  expect(running.logged('fly.toml:1:')[0]).toMatchObject({ level: 'error' });
  expect(running.logged('added shop')).toEqual([]);
  expect(await running.ask('personal', token)).toBe(200);
  writeFileSync(fly, good);
  await until(() => running.logged('added shop').length === 1, 'it follows', 20_000);
  expect(running.logged('fly.toml:1:')).toHaveLength(2);
});

test.each<[key: string, from: RegExp, to: string]>([
  ['gateway.listen', /(?<=\[gateway\]\nlisten = "127.0.0.1:)\d+/, '1'],
  ['gateway.metrics', /(?<=\nmetrics = "127.0.0.1:)\d+/, '1'],
  ['gateway.storage', /(?<=storage = ")[^"]+/, 'http://127.0.0.1:1'],
])('what takes a new process is refused by its name: %s', async (key, from, to) => {
  const running = await gateway();
  const token = await running.token('personal');
  running.change(from, to);
  running.change(personal, personal + shop);
  await until(() => running.logged(`${key} cannot change while the gateway runs`).length === 1, 'it is told');
  expect(running.logged('added shop')).toEqual([]);
  expect(await running.ask('personal', token)).toBe(200);
});

test.each([
  ['[gateway]', /\[gateway\][^[]*/, 'there is no [gateway]'],
  ['organizations', personal, 'there are no organizations'],
])('without %s it goes on as before', async (_what, from, message) => {
  const running = await gateway();
  const token = await running.token('personal');
  running.change(from, '');
  await until(() => running.logged(message).length === 1, 'it is told');
  expect(await running.ask('personal', token)).toBe(200);
});

test('the engine that it started scrapes the edge where edge.toml says', async ({ skip }) => {
  skip(!installed('victoriaMetrics'), 'victoria-metrics is not installed');
  let scrapes = 0;
  const edge = await instance((_request, response) => {
    scrapes++;
    response.setHeader('Content-Type', 'application/json');
    response.end('[]');
  });
  const [listen, own, engine] = await freePorts(3);
  const { file, metrics } = await config(9, {
    edge: `${personal}[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${own}"
storage = "http://127.0.0.1:${engine}"
timeout = "1s"
`,
  });
  const args = ['--engine', programs.victoriaMetrics, '--interval', '1s', '--', '-memory.allowedBytes=64MB'];
  const program = start(['gateway', '--config', file, ...args]);
  await until(() => program.stderr.includes('the gateway serves'), 'the gateway serves', 30_000);
  writeFileSync(file, readFileSync(file, 'utf8').replace(`:${metrics}"`, `:${edge}"`));
  await until(() => program.stderr.includes('changed metrics.listen'), 'it follows');
  await until(() => scrapes > 0, 'it is asked what there is to scrape', 20_000);
  program.process.kill('SIGTERM');
  expect((await program.ended).code).toBe(0);
});
