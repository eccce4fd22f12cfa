import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../supervisor/helpers.ts';
import { config, run } from './helpers.ts';

const gateway = '[gateway]\nstorage = "http://127.0.0.1:8428"\nmetrics = "0.0.0.0:9093"\n';

test('names the edge, and discovers the rest', async () => {
  const { file, metrics } = await config(9, { edge: gateway });
  const { code, stdout, stderr } = await run('scrape-config', '--config', file);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.match(/- url: .*/g)).toEqual(Array(3).fill(`- url: http://127.0.0.1:${metrics}/sd`));
  expect(stdout).toContain("targets: ['127.0.0.1:9093']");
  expect(stdout).toContain('scrape_interval: 15s');
});

test('names several edges', async () => {
  const { file } = await config(9);
  const { stdout } = await run('scrape-config', '-c', file, '--edge', 'a:9091', '[fd00::1]:9091', '--interval', '5s');
  const jobs = stdout.split('- job_name: ').slice(1);
  expect(jobs.map((job) => job.match(/http:\S+/g))).toEqual(
    Array(3).fill(['http://a:9091/sd', 'http://[fd00::1]:9091/sd']),
  );
  expect(stdout).toContain('scrape_timeout: 5s');
});

test.each([
  [['--edge', 'nobody'], /--edge: write "host:port"/],
  [['--gateway', 'nobody'], /--gateway: write "host:port"/],
  [['--interval', '10ms'], /--interval: write "15s"/],
  [['--engine', 'influx'], /Allowed choices are victoria-metrics, prometheus/],
])('%s is wrong usage', async (args, message) => {
  const { file } = await config(9);
  const { code, stdout, stderr } = await run('scrape-config', '--config', file, ...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
});

const checkers: [program: string, engine: string, args: (file: string) => string[]][] = [
  ['promtool', 'prometheus', (file) => ['check', 'config', file]],
  ['victoria-metrics', 'victoria-metrics', (file) => ['-promscrape.config.dryRun', `-promscrape.config=${file}`]],
  ['vmagent', 'victoria-metrics', (file) => ['-dryRun', '-remoteWrite.url=http://x', `-promscrape.config=${file}`]],
];

for (const [program, engine, args] of checkers) {
  const path = `/usr/bin/${program}`;
  const missing = !existsSync(path);
  if (missing) console.warn(`no configuration is checked by ${path}: it is not installed`);
  describe.skipIf(missing)(program, () => {
    test('finds it good', async () => {
      const { file } = await config(9, { edge: gateway });
      const { stdout } = await run('scrape-config', '--config', file, '--engine', engine);
      const written = join(temporaryFolder(), 'scrape.yml');
      writeFileSync(written, stdout);
      execFileSync(path, args(written), { stdio: 'pipe' });
      // It does look at it.
      writeFileSync(written, stdout.replace('honor_labels', 'honour_labels'));
      expect(() => execFileSync(path, args(written), { stdio: 'pipe' })).toThrow();
    });
  });
}

test('config/compose has what it would print, for a configuration without faults', async () => {
  const args = ['--config', 'config/compose/edge.toml', '--edge', 'edge:9091', '--gateway', 'gateway:9093'];
  const { code, stdout, stderr } = await run('scrape-config', ...args);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe(readFileSync('config/compose/scrape.yml', 'utf8'));
});
