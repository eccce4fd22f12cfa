import { beforeEach, expect, test } from 'vitest';
import { Admission } from '../../src/proxy/admission.ts';
import { type EdgeError, errors } from '../../src/proxy/errors.ts';
import { report } from '../../src/proxy/report.ts';
import type { Reporter } from '../../src/proxy/reporter.ts';
import type { EdgeSeries } from '../../src/proxy/series.ts';
import type { ClientConnection } from '../../src/proxy/transport/client-connection.ts';

/** What was counted, by app and code, and written. */
let counted: string[];
let lines: unknown[][];
let resets: number;
let admission: Admission;

const series = (app: string) =>
  ({ app, failed: ({ code }: EdgeError) => counted.push(`${app} ${code}`) }) as unknown as EdgeSeries;
const [unnamed, shop, blog] = [series(''), series('shop'), series('blog')];
const reporter = {
  error: ({ code }: EdgeError, ...about: string[]) => void lines.push([code, ...about]),
} as unknown as Reporter;
const connection = () =>
  ({ client: { address: '192.0.2.1', port: 1 }, reset: () => resets++ }) as unknown as ClientConnection;

beforeEach(() => {
  [counted, lines, resets] = [[], [], 0];
  admission = new Admission({ connections: 4, connectionsPerApp: 2 }, reporter, unnamed);
});

test('over the limit of the worker: refused, counted for no app and told; who leaves makes room', () => {
  const came = Array.from({ length: 5 }, () => admission.accepted(connection()));
  expect(came).toEqual([true, true, true, true, false]);
  expect(counted).toEqual([' connection_limit']);
  expect(lines).toEqual([['connection_limit', '', '', '', '192.0.2.1']]);
  expect([resets, admission.open]).toEqual([1, 5]);
  // The one that was refused ends too.
  admission.closed(unnamed);
  admission.closed(null);
  expect(admission.accepted(connection())).toBe(true);
});

test('over the limit of an app: refused and counted for it, and the other apps have their own', () => {
  const named = (of: EdgeSeries) => admission.accepted(connection()) && admission.named(connection(), of);
  expect([named(shop), named(shop), named(shop)]).toEqual([true, true, false]);
  expect(counted).toEqual(['shop connection_limit']);
  expect(named(blog)).toBe(true);
  admission.closed(shop);
  admission.closed(shop);
  expect(named(shop)).toBe(true);
});

test('an error is counted and told together, or neither', () => {
  report(errors.clientGone, shop, reporter);
  expect([counted, lines]).toEqual([[], []]);
  report(errors.connect, shop, reporter, { instance: 'aa01', request: 'id', detail: 'ECONNREFUSED' });
  expect(counted).toEqual(['shop instance_connect']);
  expect(lines).toEqual([['instance_connect', 'shop', 'aa01', 'id', 'ECONNREFUSED']]);
});
