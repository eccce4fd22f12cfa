import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createScraperServer } from '../../src/metrics/scraper-server.ts';

// Node looked for late requests only every 30 s.
test('connections that send nothing keep scrapers out for a few seconds only', { timeout: 25_000 }, async () => {
  const most = 4;
  const server = createScraperServer(most).listen(0, '127.0.0.1');
  server.on('request', (_request, response) => void response.end('page'));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const idle = Array.from({ length: most }, () => connect(port, '127.0.0.1'));
  const cut = Promise.all(idle.map((socket) => text(socket)));
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const late = connect(port, '127.0.0.1').on('error', () => {});
  expect(await text(late).catch(() => '')).toBe('');
  expect(await cut).toEqual(Array(most).fill(expect.stringContaining('408 Request Timeout')));
  const answered = await fetch(`http://127.0.0.1:${port}/`);
  expect(await answered.text()).toBe('page');
});
