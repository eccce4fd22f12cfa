/**
 * `npm run bench`: the edge against its peers, on the same work, taking turns in one run.
 *
 * Each proxy is pinned to core 0, the load and the instance to core 1. What counts is the CPU time of a proxy's whole
 * process tree per request: unlike requests per second it does not hang on how fast the other core is.
 */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Certificate, makeCertificate } from './certificate.ts';
import { costOf } from './cost.ts';
import { canDo, connections, generate, generator, postScript, type Work, works } from './generator.ts';
import { edge, edgeBefore } from './peers/edge.ts';
import { haproxy } from './peers/haproxy.ts';
import { httpProxy } from './peers/http-proxy.ts';
import { nginx } from './peers/nginx.ts';
import type { Peer } from './peers/peer.ts';
import { undici } from './peers/undici.ts';
import { freePorts, ready, start, stop } from './processes.ts';
import { type Round, ratio, type Summary, summarize, summaryTable } from './summary.ts';

const proxyCore = 0;
const loadCore = 1;
/** The most that a keep-alive GET may cost, in times of nginx. */
const bar = 1.3;

const help = `npm run bench -- [options]
  --rounds N        turns of each proxy (5)
  --seconds N       length of one turn (2)
  --scenario A,B    ${works.map((work) => work.name).join(', ')} (keepalive,close,tls)
  --all             every scenario
  --only A,B        these proxies
  --against DIR     the edge of another checkout too, as «before»: a change's cost, both taking turns
  --noise           nginx twice: how far two equal proxies are apart on this machine
  --bar             fail unless a keep-alive GET costs at most ${bar} times nginx's CPU`;

interface Running {
  peer: Peer;
  child: ChildProcess;
  http: number;
  https: number;
}

async function launch(peer: Peer, root: string, instance: number, certificate: Certificate): Promise<Running> {
  const directory = mkdtempSync(join(root, 'peer-'));
  const [http, https, extra] = (await freePorts(3)) as [number, number, number];
  const [program, ...args] = peer.command({ directory, http, https, instance, extra, certificate });
  const child = start(program, args, { core: proxyCore });
  try {
    await ready(child, peer.name, async () => (await fetch(`http://localhost:${http}/`)).ok);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { peer, child, http, https };
}

async function turn(running: Running, work: Work, seconds: number, script: string): Promise<Round> {
  const before = costOf(running.child.pid!);
  const result = await generate(work, work.secure ? running.https : running.http, seconds, loadCore, script);
  const after = costOf(running.child.pid!);
  return { ...result, cpu: (after.cpu - before.cpu) / 1000 / result.requests, memory: after.memory };
}

async function measure(peers: Running[], chosen: Work[], rounds: number, seconds: number, root: string) {
  const summaries: Summary[] = [];
  for (const work of chosen) {
    const script = join(root, `${work.name}.lua`);
    writeFileSync(script, postScript(work.body));
    const results = peers.map((): Round[] => []);
    // The first turn warms up: connections to the instance, compiled code.
    for (let round = 0; round <= rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        if (process.stderr.isTTY)
          process.stderr.write(`\r${work.name}: round ${round} of ${rounds}, ${peer.peer.name}\x1b[K`);
        const result = await turn(peer, work, round === 0 ? 1 : seconds, script);
        if (round > 0) results[i]!.push(result);
      }
    }
    summaries.push(...peers.map((peer, i) => summarize(work.name, peer.peer.name, results[i]!)));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return summaries;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      scenario: { type: 'string', default: 'keepalive,close,tls' },
      only: { type: 'string' },
      all: { type: 'boolean', default: false },
      against: { type: 'string' },
      noise: { type: 'boolean', default: false },
      bar: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const names = values.scenario.split(',');
  const chosen = works.filter((work) => values.all || names.includes(work.name));
  const candidates = [edge, nginx, haproxy, undici, httpProxy].filter(
    (peer) => values.only === undefined || values.only.split(',').includes(peer.name),
  );
  if (values.against !== undefined) candidates.splice(1, 0, edgeBefore(resolve(values.against)));
  if (values.noise) candidates.push({ ...nginx, name: 'nginx again' });

  const root = mkdtempSync(join(tmpdir(), 'fly-edge-bench-'));
  const certificate = makeCertificate(root, ['localhost']);
  const [instance] = (await freePorts(1)) as [number];
  const responder = fileURLToPath(new URL('responder.ts', import.meta.url));
  const processes = [start(process.execPath, [responder, String(instance)], { core: loadCore })];
  const running: Running[] = [];
  const missing: string[] = chosen.filter((work) => !canDo(work)).map((work) => `${work.name}: needs wrk`);
  try {
    await ready(processes[0]!, 'the instance', async () => (await fetch(`http://localhost:${instance}/`)).ok);
    for (const peer of candidates) {
      const reason = peer.missing();
      if (reason) {
        missing.push(`${peer.name}: ${reason}`);
        continue;
      }
      try {
        running.push(await launch(peer, root, instance, certificate));
        processes.push(running.at(-1)!.child);
      } catch (error) {
        missing.push(`${peer.name}: did not start: ${(error as Error).message}`);
      }
    }
    const able = chosen.filter(canDo);
    const summaries = await measure(running, able, Number(values.rounds), Number(values.seconds), root);
    const setting = `${generator}, ${connections} connections, ${values.rounds} rounds of ${values.seconds} s, medians`;
    console.log(`${setting}; memory is PSS, it and the CPU time are of the whole process tree\n`);
    for (const work of able) console.log(`${work.name}: ${work.what}\n${summaryTable(work.name, summaries)}\n`);
    for (const line of missing) console.log(`missing: ${line}`);
    save({ date: new Date().toISOString(), setting, missing, summaries });
    const failed = summaries.filter((summary) => summary.fault !== null);
    return failed.length > 0 || (values.bar && !meetsBar(summaries)) ? 1 : 0;
  } finally {
    await Promise.all(processes.map((child) => stop(child)));
    rmSync(root, { recursive: true, force: true });
  }
}

function meetsBar(summaries: Summary[]): boolean {
  const find = (peer: string) => summaries.find((s) => s.work === 'keepalive' && s.peer === peer && s.fault === null);
  const own = find(edge.name);
  const times = own ? ratio(own, find(nginx.name)) : null;
  const met = times !== null && times <= bar;
  console.log(
    `bar: ${times?.toFixed(2) ?? 'unknown'} times nginx's CPU per keep-alive GET, at most ${bar}: ${met ? 'met' : 'NOT met'}`,
  );
  return met;
}

function save(record: { date: string; setting: string; missing: string[]; summaries: Summary[] }): void {
  const directory = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `bench-${record.date.replaceAll(':', '')}.json`), JSON.stringify(record, null, 2));
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});
