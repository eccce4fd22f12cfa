/** The package that `npm pack` makes, with real processes: no source, no type and nothing of the tests is there to help. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { pageAssets } from '../../src/page/assets.ts';
import { chromiumInstalled, expectClean, visit } from '../helpers/browser.ts';
import { sum } from '../helpers/exposition.ts';
import { Installation, type Installed, type RunningEdge } from '../helpers/installation.ts';
import { npm, Package } from '../helpers/package.ts';
import { until } from '../helpers/until.ts';
import { type Config, config, freePort, instance } from './helpers.ts';

// Each test starts several processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let program: Package;
beforeAll(() => {
  program = new Package();
});
afterAll(() => program?.remove());

const gateway = (listen: number, own: number) => `[[organizations]]
slug = "personal"
id = 1
[gateway]
listen = "127.0.0.1:${listen}"
metrics = "127.0.0.1:${own}"
storage = "http://127.0.0.1:9"
`;

/** Responses with 200 that it has counted. */
const counted = async (edge: RunningEdge) =>
  sum(await edge.scrape(), 'fly_edge_http_responses_count', { app: 'demo', status: '200' });

async function ask({ http }: Config, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const response = await fetch(`http://127.0.0.1:${http}/`, { headers: { connection: 'close' } });
    expect([response.status, await response.text()]).toEqual([200, 'hello\n']);
  }
}

/** Workers name themselves anew, but a supervisor's are always of its own folder. */
async function expectLedFrom(edge: RunningEdge, installed: Installed): Promise<void> {
  const { pid } = await edge.status();
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain(join(installed.folder, 'bin/fly-edge.js'));
}

/** As the compiler writes them, and what is resolved to read files of a dependency. */
const imports =
  /^(?:import|export) (?:[\w*{}\s,]+ from )?'([^']+)';$|\bimport\('([^']+)'\)|createRequire\(import\.meta\.url\)\.resolve\('([^']+)'\)/gm;

describe('what is in it', () => {
  test('the program, its configuration and documents, and nothing else that a checkout has', () => {
    const places =
      /^(dist\/.+\.js|dist\/page\/browser\/(page\.html|page\.css|icon\.svg)|bin\/fly-edge\.js|config\/(edge\.toml|apps\/demo\/fly\.toml|grafana\/.+\.(json|yaml)|postgres\/.+\.(yaml|sql))|docs\/[a-z-]+\.md|package\.json|README\.md|LICENSE)$/;
    expect(program.files.filter((file) => !places.test(file))).toEqual([]);
    expect(program.files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/proxy/worker.js']));
    // Tools of the checkout, and what was left there by a build before.
    const absent = /^dist\/(dashboards|left-over|metrics\/document)|test|\.env|\.key$/;
    expect(program.files.filter((file) => absent.test(file))).toEqual([]);
  });

  test('each import leads to a file of it, to Node or to a dependency; each dependency is needed', () => {
    const packages = new Set<string>();
    let inside = 0;
    for (const file of program.files.filter((each) => each.endsWith('.js'))) {
      const text = readFileSync(join(program.folder, file), 'utf8');
      const named = [...text.matchAll(imports)].map(([, ...found]) => found.find((name) => name !== undefined)!);
      for (const name of named) {
        if (name.startsWith('node:')) continue;
        if (!name.startsWith('.')) packages.add(/^(@[^/]+\/)?[^/]+/.exec(name)![0]);
        // The page gets uplot's own module at this path.
        else if (name !== './uplot.js') {
          expect([file, name, existsSync(join(program.folder, dirname(file), name))]).toEqual([file, name, true]);
          inside++;
        }
      }
    }
    expect(inside).toBeGreaterThan(program.files.length);
    expect([...packages].sort()).toEqual(Object.keys(program.manifest.dependencies).sort());
  });

  test('no file has TypeScript in it', () => {
    const scripts = program.files.filter((file) => file.endsWith('.js') && !file.startsWith('bin/'));
    expect(scripts.length).toBeGreaterThan(200);
    for (const file of scripts) {
      const text = readFileSync(join(program.folder, file), 'utf8');
      expect([file, stripTypeScriptTypes(text) === text]).toEqual([file, true]);
    }
  });
});

describe('its commands', () => {
  test('by the name that npm links', () => {
    const bin = join(program.folder, '../.bin');
    mkdirSync(bin);
    symlinkSync('../fly-edge/bin/fly-edge.js', join(bin, 'fly-edge'));
    const folder = dirname(dirname(program.folder));
    const printed = npm(folder, 'exec', '--offline', '--no', '--', 'fly-edge', '--version');
    expect(printed).toBe(`${program.manifest.version}\n`);
  });

  test('check', async () => {
    const { file } = await config(9);
    const { code, stdout, stderr } = await program.run('check', '--config', file);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('1 app, 1 instance');
  });

  test('an edge from start to stop', async () => {
    const made = await config(await instance(), { workers: 2 });
    const edge = await program.serve(made);
    await ask(made, 3);
    expect(await counted(edge)).toBe(3);
    await expectLedFrom(edge, program);

    const restarted = await program.run('restart', '--config', made.file);
    expect([restarted.code, restarted.stderr]).toEqual([0, '']);
    await ask(made, 2);
    expect(await counted(edge)).toBe(5);
    await expectLedFrom(edge, program);

    const status = await program.run('status', '--config', made.file);
    expect(status.stdout).toContain('green');
    expect((await program.run('top', '--once', '--config', made.file)).stdout).toContain('demo');
    const scraped = await program.run('scrape-config', '--config', made.file);
    expect([scraped.code, scraped.stdout.includes(`http://127.0.0.1:${made.metrics}/sd`)]).toEqual([0, true]);

    expect((await program.run('stop', '--config', made.file)).code).toBe(0);
    const { code, stderr } = await edge.program.ended;
    expect(code).toBe(0);
    // Not one line that is none of the log's: no warning of Node's.
    expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))).toEqual([]);
  });

  test('upgrade: from a checkout to it and back, with every count', async () => {
    const checkout = new Installation();
    const made = await config(await instance(), { workers: 2 });
    const edge = await checkout.serve(made);
    let asked = 0;
    for (const next of [program, checkout, program]) {
      await ask(made, 5);
      asked += 5;
      const { code, stdout, stderr } = await next.run('upgrade', '--config', made.file);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^pid \d+ leads\n/);
      await expectLedFrom(edge, next);
      expect(await counted(edge)).toBe(asked);
    }
    expect((await program.run('stop', '--config', made.file)).code).toBe(0);
  });

  test('agent', async () => {
    const port = await freePort();
    const agent = program.start(['agent', '--listen', `127.0.0.1:${port}`]);
    const page = await until(() => fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null));
    expect(await page.text()).toMatch(/^fly_instance_up(\{.*\})? 1$/m);
    agent.process.kill('SIGTERM');
    expect((await agent.ended).code).toBe(0);
  });

  test('gateway, its page, and tokens', async () => {
    const [listen, own] = [await freePort(), await freePort()];
    const { file } = await config(9, { edge: gateway(listen, own) });
    const running = program.start(['gateway', '--config', file]);
    await until(() => running.stderr.includes('the gateway serves'));
    const query = `http://127.0.0.1:${listen}/prometheus/personal/api/v1/query?query=up`;
    expect((await fetch(query)).status).toBe(401);
    const token = (await program.run('tokens', 'create', 'readonly', '-o', 'personal', '--config', file)).stdout.trim();
    // Nobody is behind it, but the token was good.
    expect((await fetch(query, { headers: { authorization: token } })).status).toBe(502);
    const page = await (await fetch(`http://127.0.0.1:${listen}/`)).text();
    expect(page).toContain('name="fly-edge-source" content="query"');
    running.process.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  test('demo, which writes nothing into the package', async () => {
    const before = readdirSync(join(program.folder, 'config'));
    const demo = program.start(['demo']);
    await until(() => {
      if (demo.process.exitCode !== null) throw new Error(demo.stderr);
      return demo.stdout.includes('Ctrl-C');
    });
    const [, url] = /curl (http:\S+)\/\n/.exec(demo.stdout)!;
    expect((await fetch(`${url}/status/503`)).status).toBe(503);
    const [, file] = /npx fly-edge status --config (\S+)/.exec(demo.stdout)!;
    expect((await program.run('status', '--config', file!)).stdout).toContain('blue');
    demo.process.kill('SIGINT');
    expect((await demo.ended).code).toBe(0);
    expect(readdirSync(join(program.folder, 'config'))).toEqual(before);
    expect(existsSync(dirname(file!))).toBe(false);
  });
});

describe('its live page', () => {
  test('is that of the checkout, in JavaScript that was compiled before', async () => {
    const made = await config(await instance());
    await program.serve(made);
    const policy = expect.stringMatching(/^default-src 'none'; script-src 'self';/);
    const assets = pageAssets('live');
    for (const [path, { type, body }] of assets) {
      const response = await fetch(`http://127.0.0.1:${made.metrics}${path.replace(/\.ts$/, '.js')}`);
      const served = await response.text();
      expect([path, response.status]).toEqual([path, 200]);
      expect([path, response.headers.get('content-type')]).toEqual([path, type]);
      expect(response.headers.get('content-security-policy')).toEqual(policy);
      if (path.endsWith('.ts')) expect([path, stripTypeScriptTypes(served) === served]).toEqual([path, true]);
      else expect([path, served]).toEqual([path, body.toString().replace('/main.ts"', '/main.js"')]);
    }
    expect([...assets.keys()].filter((path) => path.endsWith('.ts')).length).toBeGreaterThan(40);
    expect((await fetch(`http://127.0.0.1:${made.metrics}/page/browser/main.ts`)).status).toBe(404);
  });

  test.skipIf(!chromiumInstalled())('draws in a browser', async () => {
    const made = await config(await instance());
    await program.serve(made);
    const seen = await visit(`http://127.0.0.1:${made.metrics}/`);
    await seen.page.waitForSelector('body[data-state=current]');
    await ask(made, 5);
    await until(async () => ((await seen.headlines()).values.requests ?? 0) > 0, 'requests on the page', 20_000);
    await expectClean(seen);
  });
});

describe('another Node than its own', () => {
  const node = '/usr/bin/node';
  const version = existsSync(node) ? execFileSync(node, ['--version'], { encoding: 'utf8' }).trim() : 'none';
  const older = Number.parseInt(version.slice(1), 10) < 26;
  if (!older) console.warn(`the package is not started by an older Node: ${node} is ${version}`);
  test.skipIf(!older)(`${version} starts the pinned one`, async () => {
    const printed = await program.start(['--version'], node).ended;
    expect([printed.code, printed.stdout]).toEqual([0, `${program.manifest.version}\n`]);
    const made = await config(await instance());
    const edge = await program.serve(made, node);
    await ask(made, 1);
    const { pid } = await edge.status();
    expect(pid).not.toBe(edge.program.process.pid);
    edge.program.process.kill('SIGTERM');
    expect((await edge.program.ended).code).toBe(0);
  });
});

test('in a checkout the sources run, whatever has been built beside them', async () => {
  const checkout = new Installation();
  mkdirSync(join(checkout.folder, 'dist/cli'), { recursive: true });
  writeFileSync(join(checkout.folder, 'dist/cli/main.js'), 'throw new Error("the build ran");\n');
  const { code, stdout } = await checkout.run('--version');
  expect([code, stdout]).toEqual([0, `${program.manifest.version}\n`]);
});
