import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { bin, type Config, config, freePort, instance, run } from '../cli/helpers.ts';
import { type Page, sum } from '../helpers/exposition.ts';
import { alive, Installation, type RunningEdge } from '../helpers/installation.ts';
import { load } from '../helpers/keep-alive-load.ts';
import { until } from '../helpers/until.ts';

// Each test starts several edges.
vi.setConfig({ testTimeout: 120_000 });

const responses = (page: Page, more: Record<string, string> = {}) =>
  sum(page, 'fly_edge_http_responses_count', { app: 'demo', status: '200', ...more });

/** An instance whose answers to /held wait until they are released. */
async function holding() {
  let release = () => {};
  let held = 0;
  let most = 0;
  const released = new Promise<void>((resolve) => (release = resolve));
  const port = await instance(async (request, response) => {
    if (request.url === '/held') {
      most = Math.max(most, ++held);
      await released;
      held--;
    }
    response.end('hello\n');
  });
  return { port, release, held: () => held, most: () => most };
}

/** Once it counts so many responses: a scrape does not wait long for a worker that is slow to report. */
const countsTo = (edge: RunningEdge, expected: number): Promise<Page> =>
  until(async () => {
    const page = await edge.scrape();
    return responses(page) >= expected && page;
  }, `${expected} responses`) as Promise<Page>;

/** `COLOUR LIMIT`, as the page has them. */
const hardLimits = async (edge: RunningEdge): Promise<string[] | undefined> =>
  (await edge.scrape())
    .get('fly_app_hard_limit')
    ?.map(({ labels, value }) => `${labels.proxy_id} ${value}`)
    .sort();

const fetchText = async ({ http }: Config, path = '/') => (await fetch(`http://127.0.0.1:${http}${path}`)).text();

/** Scrapes all the time. Tells those that failed, and counters that fell. */
function scrapes(edge: RunningEdge) {
  const faults: string[] = [];
  let over = false;
  const running = (async () => {
    const last = new Map<string, number>();
    while (!over) {
      const page = await edge.scrape().catch((error) => void faults.push(String(error.cause ?? error)));
      for (const [name, samples] of page ?? [])
        for (const { labels, value } of name.endsWith('_count') || name.endsWith('_bucket') ? samples : []) {
          const series = `${name} ${JSON.stringify(labels)}`;
          if (value < (last.get(series) ?? 0)) faults.push(`${series} fell to ${value}`);
          last.set(series, value);
        }
      await delay(20);
    }
  })();
  return {
    async stop() {
      over = true;
      await running;
      return faults;
    },
  };
}

test('an upgrade under load loses no request and no count, and one after the other works', async () => {
  const installation = new Installation();
  const made = await config(await instance(), { workers: 2 });
  const edge = await installation.serve(made);
  const first = (await edge.status()).pid;
  const clients = load(made.http, 4);
  const scraper = scrapes(edge);
  let last = 0;
  const pids = [first];
  for (const [version, served] of [
    ['0.2.0', 'green 2 accepting'],
    ['0.3.0', 'blue 3 accepting'],
  ] as const) {
    const before = clients.succeeded();
    await until(() => clients.succeeded() > before + 50, 'load');
    installation.change('package.json', '"version": "', `"version": "${version}", "was": "`);
    const upgraded = await installation.run('upgrade', '--config', made.file);
    expect(upgraded).toMatchObject({ code: 0, stderr: '' });
    expect(upgraded.stdout).toContain(`version: ${version}; it was`);
    const page = await edge.scrape();
    expect(responses(page)).toBeGreaterThanOrEqual(last);
    last = responses(page);
    const status = await edge.status();
    expect(status).toMatchObject({ version, state: 'serving' });
    expect(upgraded.stdout).toContain(`pid ${status.pid} leads`);
    expect(pids).not.toContain(status.pid);
    pids.push(status.pid);
    await until(() => !alive(pids.at(-2)!), 'the old supervisor is gone');
    expect(await edge.slots()).toEqual([served]);
  }
  const restarted = await installation.run('restart', '--config', made.file);
  expect(restarted.stdout).toContain('slot green, generation 4, serves');
  const done = await clients.stop();
  expect(await scraper.stop()).toEqual([]);
  await until(async () => (await edge.slots()).length === 1, 'the drain ends', 20_000);
  const page = await countsTo(edge, done);
  expect(responses(page)).toBe(done);
  expect(responses(page, { proxy_id: 'blue' })).toBeGreaterThan(0);
  expect(responses(page, { proxy_id: 'green' })).toBeGreaterThan(0);
  expect(sum(page, 'fly_edge_http_response_time_seconds_count', { app: 'demo' })).toBe(done);
  expect(sum(page, 'fly_edge_tcp_connects_count')).toBe(sum(page, 'fly_edge_tcp_disconnects_count'));
  expect(sum(page, 'fly_app_http_responses_count', { app: 'demo', status: '200' })).toBe(done);
  expect(sum(page, 'fly_slot_flips_count', { result: 'served' })).toBe(3);
  expect(sum(page, 'fly_slot_drain_time_seconds_count')).toBe(3);
  expect(edge.program.process.exitCode).toBe(0);
});

test('what the old supervisor drains is shown, counted and limited by the new one', async () => {
  const installation = new Installation();
  const to = await holding();
  const made = await config(to.port, { fly: '[services.concurrency]\ntype = "requests"\nhard_limit = 2\n' });
  const edge = await installation.serve(made);
  const held = [fetchText(made, '/held'), fetchText(made, '/held')];
  await until(() => to.held() === 2, 'two requests are held');
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  await until(async () => (await edge.slots()).length === 2, 'both slots are shown');
  expect(await edge.slots()).toEqual(['blue 1 draining', 'green 2 accepting']);
  expect((await edge.status()).instances).toMatchObject([{ inFlight: 2 }]);
  const limits = () => hardLimits(edge);
  expect(await limits()).toEqual(['blue 2', 'green 2']);
  // The limit is used up by the generation that drains in the other process.
  const waiting = fetchText(made, '/held');
  await until(async () => sum(await edge.scrape(), 'fly_app_concurrency') === 2, 'two in flight');
  expect(responses(await edge.scrape())).toBe(0);
  to.release();
  expect(await Promise.all([...held, waiting])).toEqual(['hello\n', 'hello\n', 'hello\n']);
  expect(to.most()).toBe(2);
  await until(async () => (await edge.slots()).join() === 'green 2 accepting', 'the drain ends', 20_000);
  expect(await limits()).toEqual(['green 2']);
  const page = await countsTo(edge, 3);
  expect(responses(page, { proxy_id: 'blue' })).toBe(2);
  expect(responses(page, { proxy_id: 'green' })).toBe(1);
  await until(() => edge.program.process.exitCode === 0, 'the old supervisor is gone');
});

test('a colour that drains in the old supervisor and serves in the new one has one set of limits', async () => {
  const installation = new Installation();
  const to = await holding();
  const made = await config(to.port, { fly: '[services.concurrency]\ntype = "requests"\nhard_limit = 2\n' });
  const edge = await installation.serve(made);
  const held = fetchText(made, '/held');
  await until(() => to.held() === 1, 'a request is held');
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  expect(await installation.run('restart', '--config', made.file)).toMatchObject({ code: 0 });
  await until(async () => (await edge.slots()).join() === 'blue 1 draining,blue 3 accepting', 'green has drained');
  expect(await hardLimits(edge)).toEqual(['blue 2']);
  to.release();
  expect(await held).toBe('hello\n');
  await until(async () => (await edge.slots()).join() === 'blue 3 accepting', 'the drain ends', 20_000);
  expect(await hardLimits(edge)).toEqual(['blue 2']);
  await until(() => edge.program.process.exitCode === 0, 'the old supervisor is gone');
});

test.for([
  [
    'a syntax error',
    'src/supervisor/supervisor.ts',
    'export class Supervisor',
    'export klass Supervisor',
    'supervisor.ts:',
  ],
  ['a module that is not there', 'src/proxy/worker.ts', "'./data-plane.ts'", "'./elsewhere.ts'", 'before it was ready'],
  [
    'a worker that crashes',
    'src/proxy/worker.ts',
    'process.title =',
    'throw new Error("broken"); process.title =',
    'broken',
  ],
  [
    'a worker that hangs',
    'src/proxy/worker.ts',
    'process.title =',
    'for (;;); process.title =',
    'it was not ready within',
  ],
  [
    'a supervisor that hangs',
    'src/cli/successor.ts',
    'const { plan, faults } =',
    'for (;;); const { plan, faults } =',
    'was not loaded',
  ],
  [
    'a worker that cannot accept',
    'src/proxy/data-plane.ts',
    '  accept(): void {',
    '  accept(): void { throw new Error("deaf");',
    'before it accepted',
  ],
  [
    'a supervisor that dies in the middle',
    'src/supervisor/predecessor.ts',
    'restore(message);',
    'process.kill(process.pid, "SIGKILL");',
    'signal SIGKILL',
  ],
  ['an older protocol', 'src/base/protocol.ts', '[1, protocol]', '[0]', 'cannot take over'],
])('%s on disk: the old version serves on', async ([, file, from, to, reason]) => {
  const installation = new Installation();
  const made = await config(await instance(), { edge: 'ready_timeout = "10s"' });
  const edge = await installation.serve(made);
  const { pid } = await edge.status();
  expect(await fetchText(made)).toBe('hello\n');
  installation.change(file!, from!, to!);
  const clients = load(made.http, 2);
  const { code, stderr, stdout } = await installation.run('upgrade', '--config', made.file);
  expect(stdout).toBe('');
  expect(stderr).toContain(reason);
  expect(stderr).toMatch(/^fly-edge: .*\n$/);
  expect(code).toBe(1);
  const done = await clients.stop();
  await until(async () => (await edge.slots()).join() === 'blue 1 accepting', 'the old slot alone');
  expect((await edge.status()).pid).toBe(pid);
  expect(await fetchText(made)).toBe('hello\n');
  const page = await countsTo(edge, done + 2);
  expect(sum(page, 'fly_slot_flips_count', { result: 'failed' })).toBe(1);
  expect(sum(page, 'fly_slot_state', { state: 'accepting' })).toBe(1);
  expect(responses(page)).toBe(done + 2);
  // The next one, mended, takes over.
  installation.mend();
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  expect(await fetchText(made)).toBe('hello\n');
  expect(responses(await countsTo(edge, done + 3))).toBe(done + 3);
});

test.for([
  ['a worker that crashes', 'process.title =', 'throw new Error("broken"); process.title =', 'broken'],
  ['a worker that hangs', 'process.title =', 'for (;;); process.title =', 'it was not ready within'],
  ['a worker of a newer protocol', 'incompatibility(message)', '"use fly-edge upgrade"', 'use fly-edge upgrade'],
])('a restart with %s on disk leaves the old code serving', async ([, from, to, reason]) => {
  const installation = new Installation();
  const made = await config(await instance(), { edge: 'ready_timeout = "10s"' });
  const edge = await installation.serve(made);
  installation.change('src/proxy/worker.ts', from!, to!);
  const { code, stderr } = await installation.run('restart', '--config', made.file);
  expect(stderr).toContain(reason);
  expect(code).toBe(1);
  expect(await fetchText(made)).toBe('hello\n');
  installation.mend();
  expect(await installation.run('restart', '--config', made.file)).toMatchObject({ code: 0 });
  await until(async () => (await edge.slots()).at(-1) === 'green 3 accepting', 'the new slot');
});

test('a stop after an upgrade drains in both supervisors', async () => {
  const installation = new Installation();
  const to = await holding();
  const made = await config(to.port);
  const edge = await installation.serve(made);
  const held = fetchText(made, '/held');
  await until(() => to.held() === 1, 'a request is held');
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  const { pid } = await edge.status();
  const stopped = installation.run('stop', '--config', made.file);
  await until(async () => (await edge.status()).state === 'stopping', 'it stops');
  to.release();
  expect(await held).toBe('hello\n');
  expect(await stopped).toMatchObject({ code: 0, stdout: 'stopped\n' });
  await until(() => !alive(pid), 'the new supervisor is gone');
  expect(await edge.program.ended).toMatchObject({ code: 0 });
});

test('an old supervisor that is killed in its drain takes its connections along, and nothing else', async () => {
  const installation = new Installation();
  const to = await holding();
  onTestFinished(() => to.release());
  const made = await config(to.port);
  const edge = await installation.serve(made);
  const held = fetchText(made, '/held').catch(() => 'cut');
  await until(() => to.held() === 1, 'a request is held');
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  await until(async () => (await edge.slots()).length === 2, 'both slots are shown');
  await edge.scrape();
  edge.program.process.kill('SIGKILL');
  expect(await held).toBe('cut');
  await until(async () => (await edge.slots()).join() === 'green 2 accepting', 'the new slot alone');
  expect(await fetchText(made)).toBe('hello\n');
  await until(async () => {
    const page = await edge.scrape();
    const open = sum(page, 'fly_edge_tcp_connects_count', { proxy_id: 'blue' });
    return open === 1 && sum(page, 'fly_edge_tcp_disconnects_count', { proxy_id: 'blue' }) === 1;
  }, 'its connection is booked as closed');
});

test('after SIGKILL of the supervisor workers end, ports are free, and a new run takes the stale control socket', async () => {
  const installation = new Installation();
  const made = await config(await instance(), { workers: 2 });
  const edge = await installation.serve(made);
  const workers = (await edge.status()).slots[0]!.workers.map(({ pid }) => pid);
  edge.program.process.kill('SIGKILL');
  await once(edge.program.process, 'exit');
  await until(() => !workers.some(alive), 'the workers are gone');
  const refused = net.connect(made.http, '127.0.0.1');
  const [error] = await once(refused, 'error');
  expect(error.code).toBe('ECONNREFUSED');
  const next = await installation.serve(made);
  expect(await fetchText(made)).toBe('hello\n');
  expect(responses(await countsTo(next, 1))).toBe(1);
});

test('who is ejected stays so over an upgrade, for both supervisors; his health goes with its generation', async () => {
  const installation = new Installation();
  const to = await holding();
  const made = await config(to.port, { edge: '[limits]\neject_pause = "60s"' });
  appendFileSync(made.file, `[[apps.instances]]\nid = "nobody"\naddress = "127.0.0.1:${await freePort()}"\n`);
  const edge = await installation.serve(made);
  const passive = async () =>
    (await edge.status()).instances.map(({ passive, ejectedFor }) => (ejectedFor > 0 ? passive : 'healthy'));
  await until(async () => {
    await fetchText(made);
    return (await passive()).includes('ejected');
  }, 'it is ejected');
  const held = fetchText(made, '/held');
  await until(() => to.held() === 1, 'a request is held');
  expect(await installation.run('upgrade', '--config', made.file)).toMatchObject({ code: 0 });
  expect(await passive()).toEqual(['healthy', 'ejected']);
  const healths = async () =>
    (await edge.scrape())
      .get('fly_app_instance_healthy')!
      .filter(({ labels }) => labels.check === 'passive')
      .map(({ labels, value }) => `${labels.proxy_id} ${labels.instance} ${value}`)
      .sort();
  const ofGreen = ['green 148e21ea7e5068 1', 'green nobody 0'];
  expect(await healths()).toEqual(['blue 148e21ea7e5068 1', 'blue nobody 0', ...ofGreen]);
  to.release();
  expect(await held).toBe('hello\n');
  await until(async () => (await edge.slots()).length === 1, 'the drain ends', 20_000);
  expect(await healths()).toEqual(ofGreen);
});

const namespaces = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;

test.skipIf(!namespaces)('as process 1 of a container it refuses to be replaced, and says so', async () => {
  const made = await config(await instance());
  const args = ['--pid', '--fork', '--kill-child', process.execPath, bin, 'run', '--config', made.file];
  const container = spawn('unshare', args, { stdio: 'ignore' });
  onTestFinished(async () => {
    const ended = once(container, 'exit');
    container.kill('SIGKILL');
    await ended;
  });
  await until(async () => (await fetchText(made).catch(() => '')) === 'hello\n', 'the edge serves');
  const { code, stderr } = await run('upgrade', '--config', made.file);
  expect(stderr).toContain('its end, as process 1, would end the container');
  expect(code).toBe(1);
  expect(await run('restart', '--config', made.file)).toMatchObject({ code: 0 });
  expect(await fetchText(made)).toBe('hello\n');
});
