/** The metrics listener of an edge that a test makes up: no process, no traffic. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { MetricId } from '../../src/metrics/catalogue.ts';
import type { Store } from '../../src/metrics/merge.ts';
import { createScrapeServer } from '../../src/metrics/scrape.ts';
import { pageRoute } from '../../src/page/serve.ts';
import { storeAt, workerOf } from '../metrics/helpers.ts';

export interface MadeUp {
  url: string;
  port: number;
  close(): void;
}

/** Instances have been busy: instance i has i requests in flight. */
export function busyStore(instances: number): Store {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  recorder.add(recorder.series(MetricId.edgeHttpResponses, ['shop', '200']), instances);
  for (let i = 0; i < instances; i++) {
    const labels = ['shop', `i${String(i).padStart(4, '0')}`];
    recorder.set(recorder.series(MetricId.appConcurrency, labels), i);
    recorder.set(recorder.series(MetricId.appSoftLimit, labels), 500);
    recorder.set(recorder.series(MetricId.appHardLimit, labels), 2000);
    for (const status of ['200', '404', '500']) {
      recorder.add(recorder.series(MetricId.appHttpResponses, [...labels, status]), i);
      recorder.observe(recorder.series(MetricId.appHttpResponseTime, [...labels, status]), 0.02);
    }
    recorder.observe(recorder.series(MetricId.appConnectTime, labels), 0.001);
  }
  ship();
  return store;
}

/** @param more further lines of the page. Ends with the test. */
export async function listener(store: Store, more = () => '', port = 0): Promise<MadeUp> {
  const server = createScrapeServer({
    store,
    hosts: () => [],
    scopeOf: () => undefined,
    serving: () => true,
    beforeScrape: async () => {},
    append: async () => more(),
    discover: () => [],
    page: pageRoute('live'),
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(close);
  const bound = (server.address() as AddressInfo).port;
  return { url: `http://127.0.0.1:${bound}/`, port: bound, close };
}
