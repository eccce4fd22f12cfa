/**
 * `npm run load -- --flips N`: five kinds of load at once while the slots are flipped N times, then the table.
 * No request may fail, no connection be reset, and every count must be exact.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build, type Histogram } from 'hdr-histogram-js';
import { cannon } from './cannon.ts';
import { costOf } from './cost.ts';
import { Edge } from './edge.ts';
import { difference, type Row, reconcile, since } from './reconcile.ts';
import { Relay } from './relay.ts';
import { settled } from './settled.ts';
import { download, echo } from './streams.ts';
import { Tally } from './tally.ts';

export interface FlipOptions {
  flips: number;
  workers?: number;
  /** Milliseconds without a flip, before and after: the latency to compare with. */
  calm?: number;
  /** Flips before the load begins. */
  unloaded?: number;
}

export interface FlipReport {
  rows: Row[];
  /** What was measured, a line each. */
  figures: string[];
}

const host = 'pooled.test';
/** Generations that may drain when the next flip begins: none may meet its deadline or be cut as one too many. */
const drainingAtMost = 3;

export async function runFlips({ flips, workers = 2, calm = 3_000, unloaded = 0 }: FlipOptions): Promise<FlipReport> {
  const directory = mkdtempSync(join(tmpdir(), 'fly-edge-flips-'));
  let edge: Edge | null = null;
  try {
    edge = await Edge.start(directory, workers);
    const figures: string[] = [];
    if (unloaded > 0) figures.push(`restart, without load: ${await flipUnloaded(edge, unloaded)}`);
    const report = await flipUnderLoad(edge, flips, calm);
    return { rows: report.rows, figures: [...figures, ...report.figures] };
  } finally {
    await edge?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function flipUnloaded(edge: Edge, flips: number): Promise<string> {
  const restarts = histogram();
  for (let i = 0; i < flips; i++) restarts.recordValue(await restart(edge));
  return spread(restarts);
}

/** Microseconds that the command takes: until the new slot serves. */
async function restart(edge: Edge): Promise<number> {
  const start = performance.now();
  await edge.restart();
  return Math.round((performance.now() - start) * 1000);
}

async function flipUnderLoad(edge: Edge, flips: number, calm: number): Promise<FlipReport> {
  const before = await settled(edge);
  const plain = await Relay.open(edge.http);
  const secure = await Relay.open(edge.https);
  const total = new Tally();
  let asked = 0;
  let upgrades = 0;
  let over = false;
  const latency = { calm: histogram(), flip: histogram() };
  let flipping = false;
  const onResponse = (ms: number) =>
    latency[flipping ? 'flip' : 'calm'].recordValue(Math.max(1, Math.round(ms * 1000)));

  /** Repeats one kind of load until the flips are over: by amount each time, so that no request is cut off. */
  const kind = async (requests: number, run: (requests: number) => Promise<Tally>) => {
    while (!over) {
      const tally = await run(requests);
      asked += requests;
      total.merge(tally);
    }
  };
  const shot = { connections: 8, host };
  const kinds = [
    kind(400, (requests) => cannon({ ...shot, port: plain.port, requests, onResponse })),
    kind(100, (requests) => cannon({ ...shot, port: plain.port, requests, close: true })),
    kind(200, (requests) => cannon({ ...shot, port: secure.port, requests, secure: true })),
    ...Array.from({ length: 4 }, () => kind(1, () => download(plain.port, host, 2 << 20, 20))),
    ...Array.from({ length: 4 }, () =>
      kind(0, async () => {
        upgrades++;
        return echo(plain.port, host, 20, 50);
      }),
    ),
  ];

  const restarts = histogram();
  let memory = { one: 0, both: 0 };
  try {
    await delay(calm);
    memory.one = costOf(edge.pid).memory;
    for (let i = 0; i < flips; i++) {
      flipping = true;
      restarts.recordValue(await restart(edge));
      memory = { ...memory, both: Math.max(memory.both, costOf(edge.pid).memory) };
      flipping = false;
      while ((await edge.draining()) >= drainingAtMost) await delay(100);
    }
    await delay(calm);
  } finally {
    over = true;
    await Promise.all(kinds);
  }
  await Promise.all([plain.close(), secure.close()]);
  const after = await settled(edge);
  const instances = new Map(
    [...after.instances].map(([id, counts]) => [id, since(before.instances.get(id)!, counts)] as const),
  );
  const relay = {
    opened: plain.opened + secure.opened,
    closed: plain.closed + secure.closed,
    sent: plain.sent + secure.sent,
    received: plain.received + secure.received,
    resets: plain.resets + secure.resets,
  };
  const also = new Map([['101', upgrades]]);
  const name = `${flips} flips`;
  const scenario = { name, requests: asked, secure: false, status: 200, code: null, also, run: async () => total };
  const series = difference(before.page, after.page);
  const moved = {
    requests: asked,
    tally: total,
    relay,
    handshakes: secure.opened,
    instances,
    series,
    after: after.page,
  };
  const rows = reconcile(scenario, moved);
  const { resets } = relay;
  rows.push({
    scenario: name,
    measure: 'resets',
    asked: 0,
    clients: resets,
    instances: null,
    series: null,
    equal: resets === 0,
  });
  return {
    rows,
    figures: [
      `restart, under load: ${spread(restarts)}`,
      `keep-alive GET, p99: ${ms(latency.calm, 99)} ms without a flip, ${ms(latency.flip, 99)} ms during one`,
      `memory (PSS): ${mib(memory.one)} MiB with one slot, at most ${mib(memory.both)} MiB while several live`,
    ],
  };
}

const histogram = () => build({ highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: 3 });
const ms = (of: Histogram, percentile: number) => (of.getValueAtPercentile(percentile) / 1000).toFixed(1);
const spread = (of: Histogram) => `p50 ${ms(of, 50)}, p99 ${ms(of, 99)}, max ${ms(of, 100)} ms`;
const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
