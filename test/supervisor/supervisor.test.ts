import net from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { control } from '../../src/supervisor/control.ts';
import { ask, client, scraped, temporaryFolder, testPlan, testSupervisor, until } from './helpers.ts';

// Each test starts several processes.
vi.setConfig({ testTimeout: 30_000 });

const edge = (name: string) => `fly_edge_tcp_${name}_count{app="demo",region="local",host="0000",proxy_id="blue"}`;

test('serves once all workers accept, and ends when it is stopped', async () => {
  const supervisor = testSupervisor(testPlan());
  expect(await supervisor.start()).toBeNull();
  const { listeners, slots, state } = supervisor.status;
  expect(state).toBe('serving');
  expect(slots).toMatchObject([{ colour: 'blue', generation: 1, state: 'accepting', restarts: 0 }]);
  expect(slots[0]!.workers.map((worker) => worker.state)).toEqual(['accepting', 'accepting']);
  const socket = await client(listeners[0]!.port);
  expect(slots[0]!.workers.map((worker) => String(worker.pid))).toContain(await ask(socket, 'pid'));

  expect(await supervisor.stop()).toBe(1);
  await supervisor.ended;
  expect(supervisor.status.slots[0]!.state).toBe('ended');
  const refused = net.connect(listeners[0]!.port, '127.0.0.1');
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => refused.once('error', resolve));
  expect(error.code).toBe('ECONNREFUSED');
});

test('a scrape has what was counted up to then', async () => {
  const supervisor = testSupervisor(testPlan());
  await supervisor.start();
  const { port } = supervisor.status.listeners[0]!;
  for (let n = 1; n <= 5; n++) {
    await ask(await client(port), 'pid');
    expect(await scraped(supervisor, edge('connects'))).toBe(n);
  }
});

test('a worker that hangs delays no scrape: its last known values are shown', async () => {
  const supervisor = testSupervisor(testPlan((plan) => (plan.slots.workers = 1)));
  await supervisor.start();
  const socket = await client(supervisor.status.listeners[0]!.port);
  await ask(socket, 'pid');
  expect(await scraped(supervisor, edge('connects'))).toBe(1);
  socket.write('hang');
  expect(await scraped(supervisor, edge('connects'))).toBe(1);
});

test('a crashed worker is replaced, and its open connections are booked as disconnects', async () => {
  const supervisor = testSupervisor(testPlan((plan) => (plan.slots.workers = 1)));
  await supervisor.start();
  const { listeners, slots } = supervisor.status;
  const before = slots[0]!.workers[0]!.pid;
  const socket = await client(listeners[0]!.port);
  expect(await ask(socket, 'pid')).toBe(String(before));
  socket.write('crash');
  await until(() => supervisor.status.slots[0]!.restarts === 1);
  // It connects at once: the supervisor's copy of the socket keeps the queue that the replacement accepts from.
  const queued = await client(listeners[0]!.port);
  const after = await ask(queued, 'pid');
  expect(after).not.toBe(String(before));
  const slot = supervisor.status.slots[0]!;
  expect(slot).toMatchObject({ state: 'accepting', restarts: 1, workers: [{ index: 0, pid: Number(after) }] });
  expect(await scraped(supervisor, edge('connects'))).toBe(2);
  expect(await scraped(supervisor, edge('disconnects'))).toBe(1);
});

test('health that one worker found reaches the others, and the replacement of a dead one', async () => {
  const supervisor = testSupervisor(testPlan());
  await supervisor.start();
  const { listeners, slots } = supervisor.status;
  const known = new Map<number, string>();
  const askAll = async () => {
    const socket = await client(listeners[0]!.port);
    known.set(Number(await ask(socket, 'pid')), await ask(socket, 'health'));
    return known;
  };
  await until(async () => (await askAll()).get(slots[0]!.workers[1]!.pid) === '[u=true]');
  process.kill(slots[0]!.workers[1]!.pid, 'SIGKILL');
  const replacement = await until(() => {
    const worker = supervisor.status.slots[0]!.workers[1]!;
    return worker.state === 'accepting' && worker.pid !== slots[0]!.workers[1]!.pid ? worker : null;
  });
  await until(async () => (await askAll()).get(replacement!.pid)?.startsWith('[u=true'));
});

test.for([
  ['crash', 'worker 0 ended with code 3 before it was ready'],
  ['fail', 'no data path'],
])('a slot whose workers %s at the start is a fault, and nothing is left', async ([behaviour, reason]) => {
  const folder = temporaryFolder();
  const plan = testPlan((plan) => {
    plan.apps[0]!.hostnames = [behaviour!];
    plan.slots.workers = 1;
    plan.slots.control = join(folder, 'edge.sock');
  });
  const supervisor = testSupervisor(plan);
  expect(await supervisor.start()).toBe(reason);
  await supervisor.ended;
  expect(await control(plan.slots.control!, { command: 'status' })).toMatchObject({ ok: false });
});

test('it can be stopped before it is ready', async () => {
  const supervisor = testSupervisor(testPlan((plan) => (plan.apps[0]!.hostnames = ['silent'])));
  const started = supervisor.start();
  await until(() => supervisor.status.slots.length > 0);
  await supervisor.stop();
  expect(await started).toBe('it was stopped before it was ready');
  await supervisor.ended;
});

test('a port in use is told with its address', async () => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as net.AddressInfo;
  const listener = testSupervisor(testPlan((plan) => (plan.listeners[0]!.port = port)));
  expect(await listener.start()).toBe(
    `--listen: 127.0.0.1:${port} is in use by another process, pid ${process.pid} (node)`,
  );
  const metrics = testSupervisor(testPlan((plan) => (plan.metrics.port = port)));
  expect(await metrics.start()).toBe(
    `--metrics: 127.0.0.1:${port} is in use by another process, pid ${process.pid} (node)`,
  );
  other.close();
});

test('status and stop through the control socket; a second edge of the same configuration is refused', async () => {
  const path = join(temporaryFolder(), 'run', 'edge.sock');
  const plan = testPlan((plan) => (plan.slots.control = path));
  const supervisor = testSupervisor(plan);
  await supervisor.start();
  expect(await control(path, { command: 'status' })).toMatchObject({
    ok: true,
    status: { pid: process.pid, state: 'serving' },
  });
  expect(await testSupervisor(plan).start()).toContain('an edge with this configuration is running already');
  // The refused one left the socket alone.
  expect(await control(path, { command: 'stop' })).toEqual({ ok: true, cut: 0 });
  await supervisor.ended;
  expect(await control(path, { command: 'status' })).toEqual({
    ok: false,
    reason: `no edge is running (control socket ${path})`,
  });
});

test('a worker that crashes in a loop is replaced after ever longer pauses; the others serve on', async () => {
  const supervisor = testSupervisor(testPlan());
  await supervisor.start();
  const pids = new Set<number>();
  await until(() => {
    const worker = supervisor.status.slots[0]!.workers[0]!;
    if (worker.state === 'accepting' && !pids.has(worker.pid)) {
      pids.add(worker.pid);
      process.kill(worker.pid, 'SIGKILL');
    }
    return supervisor.status.slots[0]!.restarts >= 3;
  });
  const { state, workers } = supervisor.status.slots[0]!;
  expect(state).toBe('accepting');
  expect(workers[1]!.state).toBe('accepting');
  expect(pids.size).toBe(3);
  await ask(await client(supervisor.status.listeners[0]!.port), 'pid');
});
