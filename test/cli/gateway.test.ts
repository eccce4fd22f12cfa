import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { installed, programs } from '../helpers/storage.ts';
import { until } from '../supervisor/helpers.ts';
import { config, freePort, run, start } from './helpers.ts';

const organizations = '[[organizations]]\nslug = "personal"\nid = 1\n';

async function configured(
  more: { storage?: string; organizations?: string } = {},
): Promise<{ file: string; listen: number; own: number }> {
  const [listen, own, storage] = [await freePort(), await freePort(), await freePort()];
  const { file } = await config(9, {
    edge: `${more.organizations ?? organizations}[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${own}"
storage = "${more.storage ?? `http://127.0.0.1:${storage}`}"
`,
  });
  return { file, listen, own };
}

test.each<[why: string, more: Parameters<typeof configured>[0], args: string[], message: RegExp]>([
  ['no organizations', { organizations: '' }, [], /there are no organizations: write \[\[organizations\]\]/],
  [
    'a cluster cannot be started',
    { storage: 'http://x:8481/select/{tenant}/prometheus' },
    ['--engine', 'x'],
    /--engine needs storage/,
  ],
  [
    'an engine that is not on loopback',
    { storage: 'http://0.0.0.0:8428' },
    ['--engine', 'x'],
    /--engine needs storage = "http:\/\/127\.0\.0\.1:PORT"/,
  ],
  [
    'a password for all to read',
    {},
    ['--engine', 'x', '--', '-httpAuth.password=p'],
    /set httpAuth_password in the env/,
  ],
  [
    'the same, written otherwise',
    {},
    ['--engine', 'x', '--', '--httpAuth.username', 'p'],
    /set httpAuth_username in the/,
  ],
  ['no password', {}, ['--engine', 'x', '--', '-envflag.enable=false'], /its password comes by the environment/],
  ['another place', {}, ['--engine', 'x', '--', '-httpListenAddr=:8428'], /write storage in \[gateway\]/],
  ['a scraper without an engine', {}, ['--scraper', 'x'], /--scraper, --data and further flags go with --engine/],
  [
    'samples sent elsewhere',
    {},
    ['--engine', 'x', '--scraper', 'y', '--', '-remoteWrite.url=http://x'],
    /-remoteWrite\.url: vmagent writes to the engine/,
  ],
  [
    'flags of a scraper that does not run',
    {},
    ['--engine', 'x', '--scraper', 'none', '--', '-remoteWrite.queues=1'],
    /it is vmagent's, which does not run: see --scraper/,
  ],
  ['flags without an engine', {}, ['--', '-retentionPeriod=1y'], /go with --engine/],
  ['data without an engine', {}, ['--data', '/tmp/x'], /go with --engine/],
  ['an interval that is none', {}, ['--engine', 'x', '--interval', '1'], /--interval: write "15s"/],
])('%s', async (_why, more, args, message) => {
  const { file } = await configured(more);
  const { code, stderr } = await run('gateway', '--config', file, ...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('without [gateway] there is nothing to run', async () => {
  const { file } = await config(9, { edge: organizations });
  const { code, stderr } = await run('gateway', '--config', file);
  expect([code, stderr]).toEqual([2, expect.stringContaining('there is no [gateway]: write one, with storage')]);
});

test('an engine that does not start is said in a line', async () => {
  const { file } = await configured();
  const { code, stderr } = await run('gateway', '--config', file, '--engine', '/nowhere/victoria-metrics');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^fly-edge: \/nowhere\/victoria-metrics does not start: .*ENOENT$/m);
});

/** Command lines of the processes that a program has started. */
function childrenOf(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  return children.map((child) => readFileSync(`/proc/${child}/cmdline`, 'latin1').replaceAll('\0', ' '));
}

test.skipIf(!installed('victoriaMetrics', 'vmagent')).each<[what: string, args: string[], scrapers: string[]]>([
  ['vmagent scrapes where it is installed beside the engine', [], ['vmagent']],
  ['the one that is named scrapes', ['--scraper', programs.vmagent], ['vmagent']],
  ['none: the engine scrapes itself', ['--scraper', 'none'], ['victoria-metrics']],
])('%s', async (_what, args, scrapers) => {
  const { file } = await configured();
  const program = start([
    ...['gateway', '--config', file, '--engine', programs.victoriaMetrics, ...args],
    ...['--', '-promscrape.maxScrapeSize=1MB', '-memory.allowedBytes=64MB'],
  ]);
  await until(() => program.stderr.includes('the gateway serves'));
  const lines = childrenOf(program.process.pid!);
  const named = lines.filter((line) => line.includes('-promscrape.maxScrapeSize=1MB'));
  expect(named.map((line) => basename(line.split(' ')[0]!))).toEqual(scrapers);
  expect(lines.filter((line) => line.includes('-memory.allowedBytes'))).toHaveLength(1);
  const said = program.stderr.split('\n').find((line) => line.includes('the gateway serves'))!;
  expect(JSON.parse(said).scraper).toBe(
    scrapers[0] === 'vmagent' ? Number(/127\.0\.0\.1:(\d+)/.exec(named[0]!)![1]) : undefined,
  );
  program.process.kill('SIGTERM');
  expect(await program.ended).toMatchObject({ code: 0 });
});

test('serves until it is told to stop, with nobody behind it too', async () => {
  const { file, listen, own } = await configured();
  const program = start(['gateway', '--config', file]);
  await until(() => program.stderr.includes('the gateway serves'));
  const query = `http://127.0.0.1:${listen}/prometheus/personal/api/v1/query?query=up`;
  expect((await fetch(query)).status).toBe(401);
  const token = (await run('tokens', 'create', 'readonly', '-o', 'personal', '--config', file)).stdout.trim();
  expect((await fetch(query, { headers: { authorization: token } })).status).toBe(502);
  expect((await fetch(`http://127.0.0.1:${own}/healthz`)).status).toBe(200);
  expect(await (await fetch(`http://127.0.0.1:${own}/metrics`)).text()).toContain(
    'fly_gateway_requests_count{org="personal",status="502"} 1\n',
  );
  expect((await fetch(`http://127.0.0.1:${listen}/metrics`)).status).toBe(404);
  program.process.kill('SIGTERM');
  const { code, stderr, stdout } = await program.ended;
  expect(code).toBe(0);
  expect(stderr + stdout).not.toContain('fm2_');
});

test('SIGUSR1 and SIGUSR2 end it not and open nothing; SIGQUIT ends it in order', async () => {
  const { file, own } = await configured();
  const gateway = start(['gateway', '--config', file]);
  const answers = async () => (await fetch(`http://127.0.0.1:${own}/metrics`).catch(() => null))?.status === 200;
  await until(answers);
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) gateway.process.kill(signal);
  // Answered after the signals were.
  expect(await answers()).toBe(true);
  expect(gateway.process.exitCode).toBeNull();
  gateway.process.kill('SIGQUIT');
  expect(await gateway.ended).toMatchObject({ code: 0 });
  expect(gateway.stderr).not.toMatch(/Debugger|inspector/);
});
