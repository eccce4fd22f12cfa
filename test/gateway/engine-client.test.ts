/** The four outcomes, against an engine made by hand: every byte that it says, and when, is the test's. */

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { EngineClient } from '../../src/gateway/engine-client.ts';
import { until } from '../helpers/until.ts';

let url: URL;
/** Connections that the engine has accepted, and what came on them. */
let accepted: { socket: Socket; got: () => string }[];
let client: EngineClient;
let answers: string[];

beforeEach(async () => {
  accepted = [];
  answers = [];
  const server = createServer((socket) => {
    let got = '';
    socket.setEncoding('latin1').on('data', (data) => (got += data));
    socket.on('error', () => {});
    accepted.push({ socket, got: () => got });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/query`);
  client = new EngineClient('Basic secret');
  onTestFinished(() => {
    client.close();
    for (const { socket } of accepted) socket.destroy();
    server.close();
  });
});

const send = (deadline = 60_000, form = 'query=up&timeout=1s', to = url) =>
  client.send({ url: to, form, gzip: true }, performance.now() + deadline, async (message: IncomingMessage) => {
    answers.push(await text(message).catch(() => 'broke off'));
    return message.complete;
  });
/** The next query, whole. */
const query = async (form = 'query=up&timeout=1s') => {
  const connection = (await until(() => accepted[0]))!;
  await until(() => connection.got().endsWith(`\r\n\r\n${form}`), 'the query');
  return connection;
};
const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

test('answered: the query is ours alone, and what the engine says is passed on', async () => {
  const { outcome, done } = send(60_000, 'query=%C3%A4');
  const { socket, got } = await query('query=%C3%A4');
  const [head] = got().split('\r\n\r\n') as [string];
  expect(head.split('\r\n')[0]).toBe('POST /api/v1/query HTTP/1.1');
  expect(head).toMatch(/\r\nauthorization: Basic secret(\r\n|$)/i);
  expect(head).toMatch(/\r\ncontent-length: 12(\r\n|$)/i);
  expect(head).toMatch(/\r\naccept-encoding: gzip(\r\n|$)/i);
  socket.write(ok('42'));
  expect([await outcome, await done, answers]).toEqual(['answered', 'answered', ['42']]);
});

test('each query has a connection of its own, which ends with it', async () => {
  const first = send();
  const { socket } = await query();
  const closed = once(socket, 'close');
  socket.write(ok('1'));
  await first.outcome;
  await closed;
  const second = send();
  await until(() => accepted.length === 2, 'another connection');
  accepted[1]!.socket.write(ok('2'));
  await second.outcome;
  expect(answers).toEqual(['1', '2']);
});

test('refused: nobody listens', async () => {
  const nowhere = createServer().listen(0, '127.0.0.1');
  await once(nowhere, 'listening');
  const { port } = nowhere.address() as AddressInfo;
  nowhere.close();
  await once(nowhere, 'close');
  const { outcome, done } = send(60_000, 'query=up', new URL(`http://127.0.0.1:${port}/`));
  expect([await outcome, await done]).toEqual(['refused', 'refused']);
});

test.each<[when: string, say: string, answered: string[]]>([
  ['without a word', '', []],
  ['in the middle of its head', 'HTTP/1.1 200 OK\r\nContent-', []],
  ['in the middle of its answer', ok('42').slice(0, -1), ['broke off']],
])('broken: the engine ends %s', async (_when, say, answered) => {
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    [accepted, answers] = [[], []];
    const { outcome, done } = send();
    const { socket } = await query();
    if (say !== '') await new Promise((resolve) => socket.write(say, resolve));
    socket[end]();
    expect([end, await outcome, await done]).toEqual([end, 'broken', 'broken']);
    if (end === 'destroy') expect(answers).toEqual(answered);
  }
});

test('broken: what is no HTTP', async () => {
  const { outcome } = send();
  const { socket } = await query();
  socket.end('SSH-2.0-x\r\n');
  expect(await outcome).toBe('broken');
});

test('late: its time is over, and it is done when the engine is', async () => {
  const { outcome, done } = send(50);
  const { socket } = await query();
  expect(await outcome).toBe('late');
  let ended: string | null = null;
  void done.then((how) => (ended = how));
  await new Promise(setImmediate);
  expect(ended).toBeNull();
  socket.write(ok('42'));
  expect(await done).toBe('answered');
});

test('when it is closed, what is under way counts as never seen, and the engine is left alone', async () => {
  const sendings = [send(), send()];
  await until(() => accepted.length === 2 && accepted.every(({ got }) => got().includes('\r\n\r\n')), 'two queries');
  const closed = Promise.all(accepted.map(({ socket }) => once(socket, 'close')));
  client.close();
  expect(await Promise.all(sendings.map(({ done }) => done))).toEqual(['refused', 'refused']);
  await closed;
});
