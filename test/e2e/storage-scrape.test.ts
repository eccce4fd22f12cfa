/** Each engine scrapes what `scrape-config` tells it to: whose series are whose, and what an app cannot claim. */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ScrapeEngine, scrapeConfig } from '../../src/metrics/scrape-config.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { type AppOptions, Edge, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { installed, Storage } from '../helpers/storage.ts';
import { until } from '../helpers/until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

/** What a hostile app says of itself. */
const page = (name: string) => `# TYPE ${name} counter
${name}{org="beta",app="blog",region="moon",host="ffff",instance="bb01",job="theirs",path="/x"} 5
${name}_more{exported_org="beta",exported_exported_org="beta",org="beta",exported_instance="x",vm_account_id="2",vm_project_id="3"} 6
fly_edge_http_responses_count{proxy_id="blue",status="200"} 1e9
fly_app_concurrency{proxy_id="blue"} 99
fly_volume_size_bytes{id="vol_x"} 1
fly_instance_up 1
`;
const tooLarge = `large 1\n${`# ${'x'.repeat(1022)}\n`.repeat(17 * 1024)}`;

describe.skipIf(!installed('victoriaMetrics', 'vmagent', 'prometheus'))('scraped by', () => {
  const closers: (() => unknown)[] = [];
  let folder: string;
  let edge: Edge;
  let ports: Record<'shop' | 'second' | 'secure' | 'blog', number>;
  const engines = new Map<string, Storage>();

  const shop = (...ids: string[]): AppOptions => ({
    name: 'shop',
    org: 'alpha',
    fly: `[processes]
web = ""
worker = ""
${service()}
processes = ["web"]
[[metrics]]
port = ${ports.shop}
processes = ["web"]
[[metrics]]
port = ${ports.second}
path = "/second"
processes = ["worker"]
[[metrics]]
port = ${ports.secure}
https = true
processes = ["worker"]
[[metrics]]
port = ${ports.shop}
path = "/large"
processes = ["worker"]
[[metrics]]
port = ${ports.shop}
path = "/elsewhere"
processes = ["worker"]
`,
    instances: [...ids.map((id) => ({ id, process: 'web' })), { id: 'aa09', process: 'worker' }],
  });
  const blog = (): AppOptions => ({
    name: 'blog',
    org: 'beta',
    fly: `${service()}\n[metrics]\nport = ${ports.blog}\n`,
    instances: [{ id: 'bb01', agent: `127.0.0.1:${ports.blog}`, exporters: [`127.0.0.1:${ports.second}`] }],
  });

  async function listen(server: Server): Promise<number> {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  /** An exporter that answers with its own name in the series. */
  const exporter = (name: string): Server =>
    createServer((request, response) => {
      if (request.url === '/large') response.end(tooLarge);
      else if (request.url === '/elsewhere') response.writeHead(302, { location: `${edge.metricsUrl}/metrics` }).end();
      else response.end(page(name));
    });

  async function scraped(name: string, engine: ScrapeEngine, start: (file: string) => Promise<Storage>): Promise<void> {
    const file = join(folder, `${name}.yml`);
    const edges = [new URL(edge.metricsUrl).host];
    writeFileSync(file, scrapeConfig({ engine, edges, gateway: null, interval: 1, tenants: name === 'vmagent' }));
    engines.set(name, await start(file));
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-scrape-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const instance = await HttpInstance.start();
    closers.push(() => instance.stop());
    const { cert, key } = makeAuthority(folder);
    const secure = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_request, response) => {
      response.end(page('secure'));
    });
    ports = {
      shop: await listen(exporter('shop')),
      second: await listen(exporter('second')),
      secure: await listen(secure as unknown as Server),
      blog: await listen(exporter('blog')),
    };
    edge = await Edge.start({ organizations: { alpha: 1, beta: 2 }, apps: [shop('aa01', 'aa02'), blog()] });
    closers.push(() => edge.stop());
    await scraped('victoria-metrics', 'victoria-metrics', async (file) => {
      const storage = await Storage.victoriaMetrics(folder, `-promscrape.config=${file}`);
      closers.push(() => storage.stop());
      return storage;
    });
    await scraped('prometheus', 'prometheus', async (file) => {
      const storage = await Storage.prometheus(folder, file);
      closers.push(() => storage.stop());
      return storage;
    });

    // What a cluster's vminsert takes for the tenant are labels like any others on a single node.
    await scraped('vmagent', 'victoria-metrics', async (file) => {
      const storage = await Storage.victoriaMetrics(folder);
      closers.push(() => storage.stop());
      const agent = await Storage.vmagent(
        folder,
        `-promscrape.config=${file}`,
        `-remoteWrite.url=${storage.url}/api/v1/write`,
      );
      closers.push(() => agent.stop());
      return storage;
    });
  });

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  for (const name of ['victoria-metrics', 'prometheus', 'vmagent'] as const) {
    describe(name, () => {
      const tenant = (id: string): Record<string, string> =>
        name === 'vmagent' ? { vm_account_id: id, vm_project_id: '0' } : {};
      const engine = () => engines.get(name)!;
      const found = (selector: string) =>
        until(
          async () => {
            const labels = await engine().labels(selector);
            return labels.length > 0 && labels;
          },
          `${name} to find ${selector}`,
          30_000,
        );

      test("an app's own series have our labels, whatever it says", async () => {
        const ours = (instance: string, port: number) => ({
          ...tenant('1'),
          job: `${port}/metrics`,
          org: 'alpha',
          app: 'shop',
          region: 'lab',
          host: '2bc3',
          instance,
        });
        await found('shop{instance="aa01"}');
        await found('shop{instance="aa02"}');
        const plain = (await found('shop')).sort((a, b) => a.instance!.localeCompare(b.instance!));
        expect(plain).toEqual(
          ['aa01', 'aa02'].map((id) => ({
            ...ours(id, ports.shop),
            __name__: 'shop',
            path: '/x',
            exported_job: 'theirs',
          })),
        );
        expect(await found('shop_more{instance="aa01"}')).toEqual([
          { ...ours('aa01', ports.shop), __name__: 'shop_more' },
        ]);
        expect(await found('secure_more')).toEqual([{ ...ours('aa09', ports.secure), __name__: 'secure_more' }]);
        expect(await found('second{app="shop"}')).toMatchObject([
          { job: `${ports.second}/second`, instance: 'aa09', org: 'alpha' },
        ]);
        expect(await found('blog{job!="agent"}')).toMatchObject([
          { ...tenant('2'), org: 'beta', app: 'blog', instance: 'bb01' },
        ]);
      });

      test('nobody but its owner has series of an organization', async () => {
        await found('blog');
        await found('shop');
        const owners = await found('count by (org, app, vm_account_id, vm_project_id) ({org!="", app!=""})');
        expect(owners.sort((a, b) => a.org!.localeCompare(b.org!))).toEqual([
          { ...tenant('1'), org: 'alpha', app: 'shop' },
          { ...tenant('2'), org: 'beta', app: 'blog' },
        ]);
      });

      test("the edge's series name org, app and slot, and an instance where they are of one", async () => {
        const [responses] = await found('fly_edge_http_responses_count{app="shop",proxy_id="blue",status="200"}');
        expect(responses).toEqual({
          __name__: 'fly_edge_http_responses_count',
          ...tenant('1'),
          org: 'alpha',
          app: 'shop',
          region: 'lab',
          host: '2bc3',
          proxy_id: 'blue',
          status: '200',
        });
        const [concurrency] = await found('fly_app_concurrency{app="blog"}');
        expect(concurrency).toEqual({
          __name__: 'fly_app_concurrency',
          ...tenant('2'),
          org: 'beta',
          app: 'blog',
          region: 'lab',
          host: '2bc3',
          instance: 'bb01',
          proxy_id: 'blue',
        });
      });

      test('the edge alone tells of the edge, and agents alone of instances', async () => {
        await found('shop');
        await found('blog{job="agent"}');
        await found(`second{job="exporter ${ports.second}"}`);
        await found('fly_instance_up');
        const claimed = await engine().labels('{__name__=~"fly_.+",job!=""}');
        expect(claimed.map(({ __name__, app, job }) => [__name__, app, job])).toEqual([
          ['fly_instance_up', 'blog', 'agent'],
        ]);
      });

      test('a page over 16 MiB is dropped', async () => {
        await until(
          async () => (await engine().query(`up{job="${ports.shop}/large"}`))[0]?.value[1] === '0',
          'the page to be refused',
          30_000,
        );
        expect(await engine().labels('large')).toEqual([]);
      });

      test('an app cannot lead the scraper to another page than its own', async () => {
        await until(
          async () => (await engine().query(`up{job="${ports.shop}/elsewhere"}`))[0]?.value[1] === '0',
          'the redirect to be refused',
          30_000,
        );
        expect(await engine().labels('fly_edge_data_in{instance="aa09"}')).toEqual([]);
      });
    });
  }

  test('an instance that goes away, and one that comes, show at the next refresh', async () => {
    const ups = (engine: Storage) => engine.labels(`up{app="shop",job="${ports.shop}/metrics"}`);
    const instances = async (engine: Storage) =>
      (await ups(engine))
        .map(({ instance }) => instance)
        .sort()
        .join();
    for (const [name, engine] of engines) {
      await until(async () => (await instances(engine)) === 'aa01,aa02', `${name} to scrape both`, 30_000);
    }
    await edge.reconfigure({ apps: [shop('aa01', 'aa03'), blog()] });
    const sd = (await (await fetch(`${edge.metricsUrl}/sd`)).json()) as { labels: Record<string, string> }[];
    expect(new Set(sd.map(({ labels }) => labels.instance))).toEqual(
      new Set([undefined, 'aa01', 'aa03', 'aa09', 'bb01']),
    );
    for (const [name, engine] of engines) {
      await until(async () => (await instances(engine)) === 'aa01,aa03', `${name} to follow`, 30_000);
    }
  });
});
