/**
 * `npm run scale -- [--apps 1000] [--instances 10]`: an edge with so many apps, whose pages real engines scrape, and what its
 * clients notice of it: latencies with and without scrapes, taking turns in one run.
 */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, type Histogram } from 'hdr-histogram-js';
import { Pool } from 'undici';
import { type ScrapeEngine, scrapeConfig } from '../src/metrics/scrape-config.ts';
import { edgeProgram } from './edge.ts';
import { findProgram, freePorts, ready, start, stop } from './processes.ts';
import { pagesOf } from './scraper.ts';
import { formatTable } from './table.ts';

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
const ms = (of: Histogram, percentile: number) => (of.getValueAtPercentile(percentile) / 1000).toFixed(2);

/** Requests a second, over some connections: far from what the machine can do, so that it is seen what else it does. */
const rate = 500;
const connections = 16;
/** Milliseconds. */
const interval = 15_000;
const window = 15_000;

interface Scale {
  apps: number;
  instances: number;
  rounds: number;
}

const name = (app: number) => `app-${String(app).padStart(4, '0')}`;

/** Writes edge.toml and a fly.toml for each app; returns the path of edge.toml. */
function configure(folder: string, { apps, instances }: Scale, [http, metrics]: number[], responder: number): string {
  mkdirSync(join(folder, 'apps'));
  const blocks = Array.from({ length: apps }, (_, app) => {
    writeFileSync(
      join(folder, 'apps', `${name(app)}.toml`),
      `app = "${name(app)}"\n[http_service]\ninternal_port = 8080\n`,
    );
    const listed = Array.from({ length: instances }, (_, i) => {
      const id = `${(app * instances + i).toString(16).padStart(6, '0')}d890a1b2`;
      return `[[apps.instances]]\nid = "${id}"\naddress = "127.0.0.1:${responder}"\n`;
    });
    return `[[apps]]\nconfig = "apps/${name(app)}.toml"\norg = "large"\nhostnames = ["${name(app)}.test"]\n${listed.join('')}`;
  });
  const file = join(folder, 'edge.toml');
  writeFileSync(
    file,
    `region = "lab"
host = "10ad"
address = "127.0.0.1"
ports = { 80 = ${http}, 443 = 0 }
[metrics]
listen = "127.0.0.1:${metrics}"
[slots]
workers = 2
control = "edge.sock"
[[organizations]]
slug = "large"
id = 1
operator = true
${blocks.join('')}`.replace(', 443 = 0', ''),
  );
  return file;
}

/** Requests at a steady rate, to one app after the other; each one's latency goes into the histogram. */
async function traffic(port: number, apps: number, duration: number, into: Histogram | null): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections });
  const all: Promise<void>[] = [];
  const begun = performance.now();
  for (let i = 0; performance.now() - begun < duration; i++) {
    await delay(Math.max(0, begun + (i * 1000) / rate - performance.now()));
    const sent = performance.now();
    const request = { path: '/', method: 'GET' as const, headers: { host: `${name(i % apps)}.test` } };
    all.push(
      pool.request(request).then(async ({ body, statusCode }) => {
        await body.dump();
        if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
        into?.recordValue(Math.max(1, Math.round((performance.now() - sent) * 1000)));
      }),
    );
  }
  await Promise.all(all);
  await pool.close();
}

/** What an engine has once it has scraped every part. @returns a line of the table. */
async function scrapedBy(engine: ScrapeEngine, folder: string, edge: string, parts: number): Promise<string[]> {
  const program = findProgram(engine);
  if (program === null) return [engine, 'not installed', '', '', '', ''];
  const [port] = await freePorts(1);
  const config = join(folder, `${engine}.yml`);
  const edges = [edge.replace('http://', '')];
  writeFileSync(config, scrapeConfig({ engine, edges, gateway: null, interval: interval / 1000, tenants: false }));
  const data = join(folder, engine);
  const args =
    engine === 'prometheus'
      ? [`--config.file=${config}`, `--web.listen-address=127.0.0.1:${port}`, `--storage.tsdb.path=${data}`]
      : [
          ...[`-promscrape.config=${config}`, `-httpListenAddr=127.0.0.1:${port}`, `-storageDataPath=${data}`],
          ...[
            '-promscrape.httpSDCheckInterval=15s',
            '-search.latencyOffset=1ms',
            '-search.maxUniqueTimeseries=3000000',
          ],
        ];
  const child = start(program, args);
  const ask = async (query: string): Promise<number> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query })}`;
    const { data } = (await (await fetch(url)).json()) as { data?: { result: { value: [number, string] }[] } };
    return Number(data?.result[0]?.value[1] ?? Number.NaN);
  };
  const begun = performance.now();
  try {
    const whole = async () => (await ask('count(up{job="fly-edge"} == 1)')) === parts;
    await ready(child, engine, whole, 180_000);
    const took = performance.now() - begun;
    return [
      engine,
      `${await ask('count(up{job="fly-edge"} == 1)')} of ${parts}`,
      String(await ask('count({__name__=~"fly_(app|edge|slot)_.+"})')),
      String(await ask('sum(scrape_samples_scraped{job="fly-edge"})')),
      (await ask('max(scrape_duration_seconds{job="fly-edge"})')).toFixed(3),
      String(Math.round(took / 1000)),
    ];
  } finally {
    await stop(child, 30_000);
  }
}

async function latencies(port: number, edge: string, { apps, rounds }: Scale): Promise<string[][]> {
  const kinds: [what: string, args: string[] | null][] = [
    ['no scrapes', null],
    ['in parts', [edge, String(interval)]],
    ['in one page', [edge, String(interval), 'whole']],
  ];
  const seen = kinds.map(() => build({ highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, args]] of kinds.entries()) {
      const scraper: ChildProcess | null =
        args === null ? null : start(process.execPath, [beside('scraper.ts'), ...args]);
      await traffic(port, apps, window, seen[i]!);
      if (scraper !== null) await stop(scraper);
    }
  }
  return kinds.map(([what], i) => [
    what,
    String(seen[i]!.totalCount),
    ...[50, 99, 99.9, 100].map((percentile) => ms(seen[i]!, percentile)),
  ]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      apps: { type: 'string', default: '1000' },
      instances: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '4' },
    },
  });
  const scale = { apps: Number(values.apps), instances: Number(values.instances), rounds: Number(values.rounds) };
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-scale-'));
  const [http, metrics, responderPort] = (await freePorts(3)) as [number, number, number];
  const responder = start(process.execPath, [beside('responder.ts'), String(responderPort)]);
  const file = configure(folder, scale, [http, metrics], responderPort);
  const edge = `http://127.0.0.1:${metrics}`;
  const begun = performance.now();
  const child = start(process.execPath, [edgeProgram, 'run', '--config', file]);
  try {
    await ready(child, 'the edge', async () => (await fetch(`${edge}/healthz`)).ok, 120_000);
    console.log(
      `${scale.apps} apps with ${scale.instances} instances each serve after ${Math.round(performance.now() - begun)} ms`,
    );
    // Each app, and all its instances in turn.
    await traffic(http, scale.apps, (1000 * scale.apps * Math.min(3, scale.instances)) / rate, null);
    const pages = await pagesOf(edge);
    const sizes: number[] = [];
    for (const page of pages) sizes.push((await (await fetch(page)).text()).length);
    const whole = await (await fetch(`${edge}/metrics?org=large`)).text();
    const series = whole.split('\n').filter((line) => line.startsWith('fly_') && !line.startsWith('fly_supervisor'));
    console.log(
      `the page: ${mib(whole.length)} MiB, ${series.length} series; ${pages.length} parts of ${mib(Math.min(...sizes))} to ${mib(Math.max(...sizes))} MiB, ${mib(sizes.reduce((a, b) => a + b))} MiB in all`,
    );
    const engines: string[][] = [];
    for (const engine of ['victoria-metrics', 'prometheus'] as const)
      engines.push(await scrapedBy(engine, folder, edge, pages.length));
    console.log(
      formatTable(['engine', 'parts up', 'fly_* series', 'samples scraped', 'slowest scrape, s', 'after, s'], engines),
    );
    const rows = await latencies(http, edge, scale);
    console.log(`\n${formatTable(['latency, ms', 'requests', 'p50', 'p99', 'p99.9', 'max'], rows)}`);
  } finally {
    await stop(child, 30_000);
    await stop(responder);
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  process.exitCode = await main().then(
    () => 0,
    (error: Error) => {
      console.error(error.message);
      return 1;
    },
  );
}
