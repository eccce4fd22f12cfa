/**
 * `npm run load`: known numbers of requests through a started edge, then what the clients counted, what the
 * instances counted and what the series say, in one table. A difference of one request or byte is a failure.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Edge } from './edge.ts';
import { type Quantile, quantiles } from './quantiles.ts';
import { difference, type Row, reconcile, since } from './reconcile.ts';
import { Relay } from './relay.ts';
import { scenarios } from './scenarios/all.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { settled } from './settled.ts';
import { formatTable } from './table.ts';
import { Tally } from './tally.ts';

export interface LoadOptions {
  /** 1: the number of requests that each scenario names. */
  scale?: number;
  /** Part of a scenario's name; all of them without it. */
  scenario?: string;
  workers?: number;
}

export interface LoadReport {
  rows: Row[];
  quantiles: Quantile[];
}

/** Nothing is sent: what still moves after the last scenario was counted too late, or twice. */
const afterwards: Scenario = {
  name: 'afterwards',
  requests: 0,
  secure: false,
  status: 200,
  code: null,
  run: async () => new Tally(),
};

/** Runs the scenarios one after the other against an edge and instances of its own. */
export async function runLoad(options: LoadOptions = {}): Promise<LoadReport> {
  const { scale = 1, scenario: wanted = '', workers = 2 } = options;
  const chosen = [...scenarios.filter(({ name }) => name.includes(wanted)), afterwards];
  const directory = mkdtempSync(join(tmpdir(), 'fly-edge-load-'));
  const report: LoadReport = { rows: [], quantiles: [] };
  let edge: Edge | null = null;
  try {
    edge = await Edge.start(directory, workers);
    let before = await settled(edge);
    for (const scenario of chosen) {
      if (process.stderr.isTTY) process.stderr.write(`\r${scenario.name}\x1b[K`);
      const requests = Math.ceil(scenario.requests * scale);
      const relay = await Relay.open(scenario.secure ? edge.https : edge.http);
      const tally = await scenario.run(relay.port, requests);
      await relay.close();
      const after = await settled(edge);
      const series = difference(before.page, after.page);
      const instances = new Map(
        [...after.instances].map(([id, counts]) => [id, since(before.instances.get(id)!, counts)] as const),
      );
      report.rows.push(...reconcile(scenario, { requests, tally, relay, instances, series, after: after.page }));
      if (requests > 0) report.quantiles.push(...quantiles(scenario.name, tally, series));
      // The next one begins where this one was read: nothing that moves in between escapes.
      before = after;
    }
    return report;
  } finally {
    await edge?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function print({ rows, quantiles }: LoadReport): void {
  const cells = rows.map((r, i) => [
    rows[i - 1]?.scenario === r.scenario ? '' : r.scenario,
    ...[r.measure, r.asked, r.clients, r.instances, r.series],
    r.equal ? '' : 'DIFFERS',
  ]);
  console.log(formatTable(['scenario', 'measure', 'asked', 'clients', 'instances', 'series', ''], cells));
  const ms = (value: number) => value.toFixed(2);
  const latencies = quantiles.map((q, i) => [
    quantiles[i - 1]?.scenario === q.scenario ? '' : q.scenario,
    ...[q.quantile, ms(q.client), ms(q.series), `(${q.low}, ${q.high}]`, q.position],
  ]);
  console.log(`\n${formatTable(['latency, ms', 'quantile', 'clients', 'series', 'bucket', 'clients are'], latencies)}`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: String(scenarios[0]!.requests) },
      scenario: { type: 'string', default: '' },
      workers: { type: 'string', default: '2' },
      flips: { type: 'string' },
    },
  });
  if (values.flips !== undefined) return mainFlips(Number(values.flips), Number(values.workers));
  const scale = Number(values.requests) / scenarios[0]!.requests;
  const report = await runLoad({ scale, scenario: values.scenario, workers: Number(values.workers) });
  print(report);
  const differing = report.rows.filter((row) => !row.equal).length;
  console.log(`\n${report.rows.length} counts compared, ${differing} differ`);
  return differing > 0 ? 1 : 0;
}

async function mainFlips(flips: number, workers: number): Promise<number> {
  const { runFlips } = await import('./flips.ts');
  const report = await runFlips({ flips, workers, unloaded: 10 });
  print({ rows: report.rows, quantiles: [] });
  for (const line of report.figures) console.log(line);
  const differing = report.rows.filter((row) => !row.equal).length;
  console.log(`\n${flips} flips, ${report.rows.length} counts compared, ${differing} differ`);
  return differing > 0 ? 1 : 0;
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: Error) => {
    console.error(error.message);
    return 1;
  });
}
