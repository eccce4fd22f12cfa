/** What the panels ask, of a real engine. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sections } from '../../../src/page/model/panels.ts';
import { others, type Read, toQuery } from '../../../src/page/model/read.ts';
import { installed, type Result, Storage } from '../../helpers/storage.ts';
import { until } from '../../helpers/until.ts';

const panels = sections.flatMap((section) => section.panels);
const labels = 'app="shop",region="iad",host="2bc3"';

/** A minute of samples, one every ten seconds: counters grow by `rate` a second, gauges stand at `value`. */
function minute(end: number): string {
  const lines: string[] = [];
  const samples = (series: string, at: (age: number) => number) => {
    for (let age = 60; age >= 0; age -= 10) lines.push(`${series} ${at(age)} ${(end - age) * 1000}\n`);
  };
  const gauge = (series: string, value: number) => samples(series, () => value);
  const counter = (series: string, rate: number) => samples(series, (age) => 1000 + rate * (60 - age));
  for (const i of [1, 2]) {
    const instance = `${labels},instance="i${i}"`;
    gauge(`fly_instance_memory_mem_total{${instance}}`, 1000);
    gauge(`fly_instance_memory_mem_available{${instance}}`, 1000 - 200 * i);
    for (const cpu of ['0', '1']) {
      counter(`fly_instance_cpu{${instance},cpu_id="${cpu}",mode="idle"}`, 70);
      counter(`fly_instance_cpu{${instance},cpu_id="${cpu}",mode="user"}`, 30);
      counter(`fly_instance_cpu{${instance},cpu_id="${cpu}",mode="guest"}`, 30);
    }
    counter(`fly_instance_disk_sectors_read{${instance},device="vda"}`, 2);
    counter(`fly_instance_disk_sectors_written{${instance},device="vda"}`, 6);
    counter(`fly_instance_net_recv_bytes{${instance},device="eth0"}`, 100 * i);
    counter(`fly_instance_net_sent_bytes{${instance},device="eth0"}`, 10);
    counter(`fly_instance_net_sent_bytes{${instance},device="lo"}`, 5000);
  }
  for (let i = 0; i < 30; i++) gauge(`fly_app_concurrency{${labels},instance="a${i}"}`, i);
  const postgres = `${labels},instance="db",datname="shop"`;
  gauge(`pg_stat_activity_count{${postgres},state="idle"}`, 4);
  counter(`pg_stat_database_xact_commit{${postgres}}`, 8);
  counter(`pg_stat_database_xact_rollback{${postgres}}`, 2);
  counter(`pg_stat_database_blks_hit{${postgres}}`, 90);
  counter(`pg_stat_database_blks_read{${postgres}}`, 10);
  counter(`pg_stat_database_deadlocks{${postgres}}`, 0.5);
  gauge(`pg_database_size_bytes{${postgres}}`, 7_000_000);
  gauge(`pg_replication_lag{${labels},instance="db"}`, 3);
  return lines.join('');
}

describe.runIf(installed('victoriaMetrics'))('of VictoriaMetrics', () => {
  let folder: string;
  let storage: Storage;
  const now = Math.floor(Date.now() / 1000);
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-queries-'));
    storage = await Storage.victoriaMetrics(folder);
    await fetch(`${storage.url}/api/v1/import/prometheus`, { method: 'POST', body: minute(now) });
    await fetch(`${storage.url}/internal/force_flush`);
    await until(async () => (await storage.query('pg_replication_lag', { time: String(now) })).length === 1);
  });
  afterAll(async () => {
    await storage?.stop();
    rmSync(folder, { recursive: true });
  });

  const ask = (query: string): Promise<Result[]> => storage.query(query, { time: String(now) });

  test.each(panels.map(({ id }) => [id]))('%s: each query is one, whatever is chosen', async (id) => {
    const odd = { app: 'a"}\n\\', region: '{', instance: 'i.*(' };
    for (const read of Object.values(panels.find((panel) => panel.id === id)!.reads)) {
      for (const selection of [{}, { app: 'shop' }, odd]) await ask(toQuery(read, selection, 30));
      expect(await ask(toQuery(read, odd, 30))).toEqual([]);
    }
  });

  test.each<[id: string, expected: Record<string, number>]>([
    ['memory', { i1: 0.2, i2: 0.4 }],
    ['cpu', { i1: 0.3, i2: 0.3 }],
    ['disk', { i1: 4096, i2: 4096 }],
    ['net', { i1: 110, i2: 210 }],
    ['pg-connections', { idle: 4 }],
    ['pg-transactions', { shop: 10 }],
    ['pg-cache', { shop: 0.9 }],
    ['pg-deadlocks', { shop: 0.5 }],
    ['pg-size', { shop: 7_000_000 }],
    ['pg-lag', { db: 3 }],
  ])('%s says what was stored', async (id, expected) => {
    const [read] = Object.values(panels.find((panel) => panel.id === id)!.reads);
    const found = await ask(toQuery(read!, { app: 'shop', region: 'iad' }, 30));
    const values = Object.fromEntries(found.map(({ metric, value }) => [metric[read!.by.at(-1)!], Number(value[1])]));
    expect(Object.keys(values).sort()).toEqual(Object.keys(expected));
    for (const [name, value] of Object.entries(expected)) expect(values[name]).toBeCloseTo(value, 6);
  });

  test('the busiest instances, and the sum of all others', async () => {
    const { instances } = panels.find(({ id }) => id === 'concurrency')!.reads;
    const found = await ask(toQuery(instances!, {}, 30));
    const values = Object.fromEntries(found.map(({ metric, value }) => [metric.instance, Number(value[1])]));
    expect(Object.keys(values)).toHaveLength(9);
    expect(values.a29).toBe(29);
    expect(values[others]).toBe((21 * 22) / 2);
    const one = await ask(toQuery(instances!, { instance: 'a29' }, 30));
    expect(one.map(({ metric }) => metric.instance)).toEqual(['a29']);
  });

  test.each(['handshakes', 'handshake-time', 'latency', 'heat'])(
    '%s: a burst that brings its series along counts; a process that is first seen, or again, does not, but has a rate',
    async (id) => {
      const [read] = Object.values(panels.find((panel) => panel.id === id)!.reads) as [Read];
      const lines: string[] = [];
      /** Half an hour ago or so, a scrape every 15 seconds. @param at value by scrape; null: the page had no such series. */
      const process = (region: string, name: string, at: (scrape: number) => number | null) => {
        for (let scrape = 0; scrape < 60; scrape++) {
          const value = at(scrape);
          const all = `org="x",app="burst",region="${region}",host="2bc3",proxy_id="blue"`;
          const time = (past + scrape * 15) * 1000;
          if (value !== null) lines.push(`${name}{${all},version="TLSv1.3",status="200",le="+Inf"} ${value} ${time}\n`);
        }
      };
      const steady = 'fly_edge_tcp_connects_count';
      const past = now - 3600;
      // There all the time: five at once with the 20th scrape, then two more; five hundred at once.
      process('small', steady, () => 7);
      process('small', read.metric, (scrape) => (scrape < 20 ? null : scrape < 40 ? 5 : 7));
      process('large', steady, () => 7);
      process('large', read.metric, (scrape) => (scrape < 20 ? null : 500));
      // Not scraped before, or not for a while; and a scrape that failed.
      process('first', steady, (scrape) => (scrape < 20 ? null : 7));
      process('first', read.metric, (scrape) => (scrape < 20 ? null : 50));
      // Younger than a wide window.
      process('young', steady, (scrape) => (scrape < 20 ? null : 7));
      process('young', read.metric, (scrape) => (scrape < 20 ? null : scrape < 22 ? 10 : 19));
      const missing = (scrape: number) => (scrape > 10 && scrape < 40) || scrape === 50;
      process('again', steady, (scrape) => (missing(scrape) ? null : 7));
      process('again', read.metric, (scrape) => (missing(scrape) ? null : 50));
      await fetch(`${storage.url}/api/v1/import/prometheus`, { method: 'POST', body: lines.join('') });
      await fetch(`${storage.url}/internal/force_flush`);

      /** The sum of the rates at each scrape, as a count. */
      const counted = async (region: string) => {
        const query = toQuery(read, { app: 'burst', region }, 30);
        const found = await storage.range(query, past, past + 59 * 15, 15);
        return found.flatMap(({ values }) => values).reduce((sum, [, value]) => sum + Number(value) * 15, 0);
      };
      await until(
        async () =>
          (await storage.query(`${read.metric}{region="again"}`, { time: String(past + 59 * 15) })).length === 1,
      );
      expect(await counted('small')).toBeCloseTo(7, 6);
      expect(await counted('large')).toBeCloseTo(500, 6);
      expect(await counted('first')).toBe(0);
      expect(await counted('again')).toBe(0);
      const wide = toQuery(read, { app: 'burst', region: 'young' }, 600);
      const [young] = await storage.query(wide, { time: String(past + 26 * 15) });
      expect(Number(young?.value[1])).toBeGreaterThan(0);
    },
  );
});
