/** Real tokens and their files, before a gateway whose storage tier a test plays. */

import { once } from 'node:events';
import { appendFileSync, chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { organization, validityWindow } from '../../src/tokens/caveats.ts';
import { formatToken, parseAuthorization } from '../../src/tokens/header.ts';
import { attenuate, type Macaroon } from '../../src/tokens/macaroon.ts';
import { type LoneGateway, startLoneGateway } from '../helpers/lone-gateway.ts';

interface Asking extends LoneGateway {
  ask(token: string, org?: string): Promise<number>;
  lines: string[];
  /** Of the root keys. */
  file: string;
}

async function asking(): Promise<Asking> {
  const storage = createServer((_request, response) => response.end('{"status":"success"}'));
  await once(storage.listen(0, '127.0.0.1'), 'listening');
  const lines: string[] = [];
  const gateway = await startLoneGateway({
    storage: `http://127.0.0.1:${(storage.address() as AddressInfo).port}`,
    organizations: ['alpha', 'beta'],
    lines,
  });
  onTestFinished(async () => {
    await gateway.stop();
    storage.close();
    storage.closeAllConnections();
  });
  return {
    ...gateway,
    lines,
    file: gateway.keys,
    async ask(token, org = 'alpha') {
      const headers = { authorization: token };
      const answer = await fetch(`${gateway.url}/prometheus/${org}/api/v1/query?query=up`, { headers });
      await answer.arrayBuffer();
      return answer.status;
    },
  };
}

const macaroon = (token: string): Macaroon => {
  const parsed = parseAuthorization(token);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.tokens[0]!;
};

test('a good token is never refused for the failures of others at its address', async () => {
  const gateway = await asking();
  const { token } = gateway;
  const full = macaroon(token);
  const made = (...caveats: Parameters<typeof attenuate>[1][]) => `FlyV1 ${formatToken(attenuate(full, ...caveats))}`;
  const bad = [
    'FlyV1 fm2_AAAA',
    'Basic eDp5',
    '',
    `${token.slice(0, -6)}AAAAA=`,
    made(validityWindow(0, 1)),
    `FlyV1 ${formatToken({ ...full, location: 'elsewhere' })}`,
  ];
  const statuses: number[] = [];
  for (let i = 0; i < 24; i++) statuses.push(await gateway.ask(bad[i % bad.length]!));
  expect(statuses).toEqual([...Array(10).fill(401), ...Array(14).fill(429)]);
  // As it came, and with caveats.
  expect(await gateway.ask(token)).toBe(200);
  expect(await gateway.ask(token.replace('FlyV1', 'Bearer'))).toBe(200);
  expect(await gateway.ask(`FlyV1 fm2_AAAA,${token.slice('FlyV1 '.length)}`)).toBe(200);
  expect(await gateway.ask(made(...Array(100).fill(organization(1, 31))))).toBe(200);
  // One that is good for another organization is told so, too.
  expect(await gateway.ask(made(organization(2, 31)))).toBe(403);
  expect(await gateway.ask(made(organization(2, 31)), 'beta')).toBe(200);
  expect(await gateway.ask(bad[0]!)).toBe(429);
  // What is limited is not logged.
  expect(gateway.lines).toHaveLength(10);
});

const damages: [name: string, hurt: (file: string) => void, heal: (file: string) => void][] = [
  [
    'damaged keys',
    (file) => appendFileSync(file, 'x'),
    (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, -1)),
  ],
  ['keys that others can read', (file) => chmodSync(file, 0o640), (file) => chmodSync(file, 0o600)],
  ['keys that are gone', (file) => renameSync(file, `${file}.away`), (file) => renameSync(`${file}.away`, file)],
  [
    'empty keys',
    (file) => {
      renameSync(file, `${file}.away`);
      writeFileSync(file, '', { mode: 0o600 });
    },
    (file) => renameSync(`${file}.away`, file),
  ],
  [
    'damaged revocations',
    (file) => writeFileSync(`${file}.revoked.json`, '{"revoked":'),
    (file) => rmSync(`${file}.revoked.json`),
  ],
];

test.each(damages)('%s: 503 and one line, no failure of who asks', async (_name, hurt, heal) => {
  const gateway = await asking();
  const { token } = gateway;
  expect(await gateway.ask(token)).toBe(200);
  hurt(gateway.file);
  for (let i = 0; i < 20; i++) expect(await gateway.ask(token)).toBe(503);
  const lines = gateway.lines.map((line) => JSON.parse(line));
  expect(lines).toEqual([
    expect.objectContaining({
      level: 50,
      reason: expect.stringContaining('tokens.key'),
      msg: 'queries are not answered',
    }),
  ]);
  heal(gateway.file);
  expect(await gateway.ask(token)).toBe(200);
  expect(await gateway.ask('FlyV1 fm2_AAAA')).toBe(401);
});
