import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { loadPlan } from '../../src/config/load.ts';
import { loadApart } from '../../src/config/load-apart.ts';
import { Supervisor } from '../../src/supervisor/supervisor.ts';
import { scraped, temporaryFolder, until } from './helpers.ts';

const apps = 2;
const instances = 1_500;

/** An edge.toml of 3,000 instances with hard limits. */
async function write(): Promise<string> {
  const folder = temporaryFolder();
  const [port, tls, metrics, instance] = await freePorts(4);
  let edge = `region = "iad"\nhost = "2bc3"\naddress = "127.0.0.1"\nports = { 80 = ${port}, 443 = ${tls} }
[metrics]\nlisten = "127.0.0.1:${metrics}"\n[slots]\nworkers = 2\ncontrol = "edge.sock"\n`;
  for (let a = 0; a < apps; a++) {
    const fly = `app = "app${a}"\n[[services]]\ninternal_port = ${instance}\n[services.concurrency]\ntype = "requests"
soft_limit = 5\nhard_limit = 10\n[[services.ports]]\nport = 80\nhandlers = ["http"]\n`;
    writeFileSync(join(folder, `app${a}.toml`), fly);
    edge += `[[apps]]\nconfig = "app${a}.toml"\norg = "personal"\nhostnames = ["app${a}.test"]\n`;
    for (let i = 0; i < instances; i++) edge += `[[apps.instances]]\nid = "${a}x${i}"\naddress = "127.0.0.1"\n`;
  }
  const file = join(folder, 'edge.toml');
  writeFileSync(file, edge);
  return file;
}

/** Milliseconds of the longest turn of the event loop, until it is told. */
function longestTurn(): () => number {
  let longest = 0;
  let before = performance.now();
  let over = false;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    over = true;
    return longest;
  };
}

// It stood still for up to 3.5 s with 10,000 instances, and with it the leases below their hard limits.
test('a flip of thousands of instances does not hold up the supervisor', async () => {
  const file = await write();
  await loadPlan(file);
  const began = performance.now();
  const { plan } = await loadPlan(file);
  const atOnce = performance.now() - began;
  const log = pino({ base: null }, { write: () => {} });
  const supervisor = new Supervisor(plan!, { log, load: (file) => loadApart(file!), config: file });
  onTestFinished(async () => {
    supervisor.kill();
    await supervisor.stop();
  });
  expect(await supervisor.start()).toBeNull();
  const limit = (colour: string, id: string) =>
    `fly_app_hard_limit{app="app1",region="iad",host="2bc3",instance="${id}",proxy_id="${colour}"}`;
  const last = `1x${instances - 1}`;
  await until(async () => (await scraped(supervisor, limit('blue', last))) === 10);

  const longest = longestTurn();
  expect(await supervisor.restart()).toHaveProperty('changes');
  await vi.waitUntil(() => supervisor.status.slots.length === 1, { timeout: 30_000 });
  // Reading the configuration alone took all of that.
  expect(longest()).toBeLessThan(atOnce);
  await until(async () => (await scraped(supervisor, limit('green', last))) === 10);
  const hard = await scraped(supervisor, limit('blue', last));
  expect(hard).toBeUndefined();
});
