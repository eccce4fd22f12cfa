/** Between scraper and engine, with an engine made by hand. */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pino from 'pino';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { WriteRelay } from '../../src/gateway/write-relay.ts';

const authorization = 'Basic bWU6c2VjcmV0';
/** What the engine got, and what it says to it. */
let got: { body: string; url: string | undefined; headers: IncomingMessage['headers'] }[];
let status: number;
let relay: WriteRelay;
let url: string;
/** Called with each request that the engine gets, before its answer. */
let meanwhile: () => void;

beforeEach(async () => {
  got = [];
  status = 204;
  meanwhile = () => {};
  const engine = createServer(async (request, response) => {
    got.push({ body: await text(request), url: request.url, headers: request.headers });
    meanwhile();
    if (status === 0) request.socket.destroy();
    else response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => engine.once('listening', resolve));
  const storage = new URL(`http://127.0.0.1:${(engine.address() as AddressInfo).port}`);
  relay = new WriteRelay({ storage, authorization, log: pino({ enabled: false }) });
  relay.server.listen(0, '127.0.0.1');
  await new Promise((resolve) => relay.server.once('listening', resolve));
  url = `http://127.0.0.1:${(relay.server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    relay.close();
    engine.close();
    engine.closeAllConnections();
  });
});

const write = async (body: string, headers: Record<string, string> = { authorization }): Promise<number> =>
  (await fetch(`${url}/api/v1/write`, { method: 'POST', body, headers })).status;
const bodies = () => got.map(({ body }) => body);

test('a block goes through as it is, with what describes it and the engine`s password', async () => {
  expect(await write('block', { authorization, 'content-encoding': 'snappy', 'x-other': 'y' })).toBe(204);
  expect(got).toMatchObject([
    { body: 'block', url: '/api/v1/write', headers: { 'content-encoding': 'snappy', authorization } },
  ]);
  expect(got[0]!.headers).not.toHaveProperty('x-other');
});

test('a stranger writes nothing, nor does anybody elsewhere', async () => {
  for (const wrong of ['', 'Basic x', `${authorization}x`, authorization.slice(0, -1), 'Bearer bWU6c2VjcmV0']) {
    expect(await write('forged', { authorization: wrong })).toBe(401);
  }
  expect(await write('forged', {})).toBe(401);
  expect((await fetch(`${url}/api/v1/write`)).status).toBe(401);
  const headers = { authorization };
  expect((await fetch(`${url}/api/v1/import`, { method: 'POST', headers })).status).toBe(404);
  expect((await fetch(`${url}/api/v1/write`, { headers })).status).toBe(405);
  expect((await fetch(`${url}/api/v1/write`, { method: 'POST', body: 'x'.repeat(33 * 2 ** 20), headers })).status).toBe(
    413,
  );
  expect(got).toEqual([]);
});

test('what the engine refuses is said to the scraper; where it is not there, it is to try again', async () => {
  status = 400;
  expect(await write('bad')).toBe(400);
  status = 0;
  expect(await write('lost')).toBe(503);
  status = 204;
  relay.ended();
  await relay.back();
  expect(bodies()).toEqual(['bad', 'lost']);
});

test('what an engine had taken is told to the next one', async () => {
  await write('a');
  await write('b');
  relay.ended();
  await write('c');
  await relay.back();
  expect(bodies()).toEqual(['a', 'b', 'c', 'a', 'b']);
  expect(got[3]!.headers).toMatchObject({ authorization });
});

test('taken by an engine that ended before its word got here: the scraper tries again', async () => {
  meanwhile = () => relay.ended();
  expect(await write('a')).toBe(503);
});
